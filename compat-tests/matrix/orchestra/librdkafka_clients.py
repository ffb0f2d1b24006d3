"""The C client of the matrix: the librdkafka that Debian has. Newer ones come with Python's and Node's packages."""

from harness import places

from .client import Client
from .program import Program

CLIENTS = [Client("librdkafka", "C and C++", lambda: Program([places.built_program("librdkafka_matrix")]))]
