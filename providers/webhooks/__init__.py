"""What webhooks are by their specification (standardwebhooks.com): signatures, the schedule, what an answer means."""
