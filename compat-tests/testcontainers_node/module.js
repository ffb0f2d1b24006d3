// Starts the Kafka container of testcontainers-node (arguments: its image, and kraft or zookeeper), prints its bootstrap address, and stops it
// at the end of its input.
const { createRequire } = require("node:module");
const load = createRequire(process.env.MODULE_FOLDER + "/");
const { KafkaContainer } = load("@testcontainers/kafka");

async function main() {
  const wanted = new KafkaContainer(process.argv[2]).withExposedPorts(9093);
  const kafka = await (process.argv[3] === "kraft" ? wanted.withKraft() : wanted).start();
  console.log(`bootstrap ${kafka.getHost()}:${kafka.getMappedPort(9093)}`);
  process.stdin.resume();
  await new Promise((resolve) => process.stdin.on("end", resolve));
  await kafka.stop();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
