"""The local cloud: an AWS emulator, a Bedrock stand-in and a token issuer on this machine. Development code only."""
