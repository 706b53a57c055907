"""Inner rooms of the SDK: targets, requests, storage, waiting. Nothing here is public, nothing imports the server."""
