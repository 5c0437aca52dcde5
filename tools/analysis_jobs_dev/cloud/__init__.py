"""The local cloud: an AWS emulator, a stand-in for the models, and a token issuer. Development code only."""
