#!/bin/bash
# The name of the entrypoint that apache/kafka inherits from its Java base. There is no certificate store to fill here.
exec "$@"
