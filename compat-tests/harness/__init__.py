"""What the compatibility tests stand on: brokers to start and stop, Apache Kafka's tools, and checks."""
