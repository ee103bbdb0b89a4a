"""The actors that come with the engine, and the clock that triggers them."""
