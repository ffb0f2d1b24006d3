"""The Python clients of the matrix."""

from harness import places

from .client import Client
from .program import Program

FOLDER = places.COMPAT_TESTS / "matrix" / "python"


def with_packages(source, *requirements):
    """Prepares a program of this folder with packages of PyPI."""
    return lambda: Program([places.python_with(*requirements), FOLDER / source])


CLIENTS = [
    Client("kafka-python", "Python",
           with_packages("kafka_python_client.py", "kafka-python==3.0.12", "lz4==4.4.4", "python-snappy==0.7.3",
                         "zstandard==0.23.0")),
    Client("aiokafka", "Python", with_packages("aiokafka_client.py", "aiokafka==0.14.0", "cramjam==2.14.0")),
    Client("confluent-kafka", "Python", with_packages("confluent_client.py", "confluent-kafka==2.16.1")),
]
