"""The edge: where jobs, artifacts, prompts and messages are kept. Each port has a real store and one in memory."""
