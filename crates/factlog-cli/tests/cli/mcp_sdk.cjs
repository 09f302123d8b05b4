// Two agents that only have `factlog mcp`, each a process of its own, driven by the official SDK. It prints what came of each
// step as one JSON object, and fails where the SDK does.
const { createRequire } = require("node:module");
const sdk = createRequire(process.env.FACTLOG_TEST_MCP_SDK + "/");
const { Client } = sdk("@modelcontextprotocol/sdk/client/index.js");
const { StdioClientTransport } = sdk("@modelcontextprotocol/sdk/client/stdio.js");

const [program, store] = process.argv.slice(2);

async function agent(name, ...more) {
  const client = new Client({ name: "test", version: "1" });
  const args = ["mcp", "--agent", name, "--store", store, ...more];
  await client.connect(new StdioClientTransport({ command: program, args }));
  const call = async (tool, args) => {
    const result = await client.callTool({ name: tool, arguments: args });
    const text = result.content[0].text;
    return result.isError ? { error: text } : JSON.parse(text);
  };
  return { client, call };
}

(async () => {
  const told = {};
  const planner = await agent("planner");
  const worker = await agent("worker-1", "--type", "worker", "--capability", "rust");
  told.server = planner.client.getServerVersion().name;
  told.tools = (await planner.client.listTools()).tools.map((tool) => tool.name);
  told.agents = (await planner.call("state", {})).agents.map((agent) => agent.agentId);

  await planner.call("send", { to: "type:worker", task_id: "t-1", data: "Fix the build" });
  const given = await worker.call("inbox_fetch", { wait_s: 60 });
  told.task = given.messages[0];
  told.again = (await worker.call("inbox_fetch", {})).messages.length;
  await worker.call("inbox_ack", { message_ids: ["t-1"], result: { commit: "abc" } });
  told.done = await planner.call("state", { task_id: "t-1" });

  const asking = planner.call("request", { to: "worker-1", method: "status", params: { deep: true }, timeout_s: 60 });
  const asked = (await worker.call("inbox_fetch", { wait_s: 60 })).messages[0];
  await worker.call("respond", { request_id: asked.messageId, result: { load: 0.5, asked: asked.data } });
  told.answer = await asking;

  told.lease = await planner.call("lease_acquire", { resources: ["src/**"], reason: "a release" });
  told.conflict = await worker.call("lease_acquire", { resources: ["src/main.rs"] });
  await planner.call("lease_release", { token: told.lease.token });
  told.after = await worker.call("lease_acquire", { resources: ["src/main.rs"] });

  // The third has only hooks: what is sent to it waits for its next one.
  told.hooked = await worker.call("send", { to: "hooked", data: "look at src/main.rs" });
  await worker.client.close();
  await planner.client.close();
  console.log(JSON.stringify(told));
})();
