"""ONE MACHINE: embedded servers, the whole stack and the demo. Nothing here runs in production."""
