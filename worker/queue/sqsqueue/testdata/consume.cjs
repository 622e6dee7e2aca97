// Consumes and deletes messages with sqs-consumer until there have been so many; prints what it took.
// node consume.cjs FOLDER-OF-SQS-CONSUMER ENDPOINT QUEUE-URL MESSAGES POLLERS
const { createRequire } = require("node:module");
const [folder, endpoint, queueUrl, messages, pollers] = process.argv.slice(2);
const from = createRequire(folder + "/package.json");
const { Consumer } = from("sqs-consumer");
const { SQSClient } = from("@aws-sdk/client-sqs");

const sqs = new SQSClient({ endpoint, region: "us-east-1", useQueueUrlAsEndpoint: false });
let left = Number(messages);
const start = process.hrtime.bigint();
const cpu = process.cpuUsage();
for (let i = 0; i < Number(pollers); i++) {
  const consumer = Consumer.create({
    queueUrl, sqs, batchSize: 10, waitTimeSeconds: 1,
    handleMessageBatch: async (batch) => batch,
  });
  consumer.on("error", (err) => { console.error(err); process.exit(1); });
  consumer.on("response_processed", () => {});
  consumer.on("message_processed", () => {
    if (--left > 0) return;
    const { user, system } = process.cpuUsage(cpu);
    console.log(JSON.stringify({ Seconds: Number(process.hrtime.bigint() - start) / 1e9, CPU: (user + system) / 1e6 }));
    process.exit(0);
  });
  consumer.start();
}
