"""What the tests of the client matrix share; ../README.md is the contract between it and the clients."""
