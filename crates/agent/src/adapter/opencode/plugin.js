// Tells orchflow what an opencode session does, and hands back the human's answers to its permissions.
// Written by orchflow for one launch; nothing else uses it. For opencode 1.18.

import { spawn } from "node:child_process";

const HOOK = process.env.ORCHFLOW_HOOK;
// Less than the day after which nobody answers any more.
const PATIENCE_S = 86_000;

/** Runs the hook program with a body; gives what it prints. Never fails. */
function run(words, body, started) {
  return new Promise((done) => {
    let said = "";
    const child = spawn(HOOK, words, { stdio: ["pipe", "pipe", "ignore"] });
    started?.(child);
    child.on("error", () => done(""));
    child.stdin.on("error", () => {});
    child.stdout.on("data", (bytes) => (said += bytes));
    child.on("close", () => done(said));
    child.stdin.end(JSON.stringify(body));
  });
}

export const Orchflow = async ({ client }) => {
  if (!HOOK) return {};
  // One report after the other, so that they arrive in their order; no tool waits for it.
  let last = Promise.resolve();
  const tell = (name, body) => (last = last.then(() => run(["opencode", name], body)));

  const sessions = new Map(); // id -> what is known of it, see below
  const calls = new Map(); // call id -> arguments
  const ended = new Set(); // call ids that were told of
  const asking = new Map(); // permission id -> the hook that waits

  const session = (id) => {
    if (!sessions.has(id))
      sessions.set(id, { parent: null, known: false, busy: false, retrying: false, text: null, model: null });
    return sessions.get(id);
  };
  const of = (id) => (session(id).parent ? { sessionID: id, subagent: id } : { sessionID: id });
  const know = (id, source) => {
    const one = session(id);
    if (one.known) return one;
    one.known = true;
    if (!one.parent) tell("session.started", { sessionID: id, source });
    return one;
  };

  async function ask(request) {
    const { id, sessionID, permission, patterns, metadata, tool } = request;
    const body = {
      ...of(sessionID), permission, patterns, callID: tool?.callID ?? null,
      input: { ...metadata, ...calls.get(tool?.callID) },
    };
    const said = await run(["--wait", String(PATIENCE_S), "opencode", "permission.asked"], body, (child) =>
      asking.set(id, child));
    if (!asking.delete(id) || !said) return;
    try {
      const { reply, message } = JSON.parse(said);
      await client._client.post({
        url: "/permission/{requestID}/reply", path: { requestID: id }, body: { reply, message },
        headers: { "content-type": "application/json" },
      });
    } catch {
      // Its own dialog still asks.
    }
  }

  function part(part) {
    const one = session(part.sessionID);
    if (part.type === "text" && part.time?.end && part.text && !part.synthetic) {
      one.text = part.text;
      tell("text", { ...of(part.sessionID), id: part.id, text: part.text });
    }
    if (part.type === "tool" && (part.state.status === "completed" || part.state.status === "error")) {
      if (ended.has(part.callID)) return;
      ended.add(part.callID);
      calls.delete(part.callID);
      const { status, input, output, error, title, metadata, time } = part.state;
      tell("tool.ended", {
        ...of(part.sessionID), callID: part.callID, tool: part.tool, status, input, output, error, title,
        diff: metadata?.diff ?? null, duration: time?.end && time?.start ? time.end - time.start : null,
      });
    }
    if (part.type === "step-finish")
      tell("step-finish", { ...of(part.sessionID), tokens: part.tokens, cost: part.cost, model: one.model });
  }

  const events = {
    "session.created": ({ sessionID, info }) => {
      const one = session(sessionID ?? info.id);
      one.parent = info.parentID ?? null;
      if (one.parent) tell("subagent.started", { subagent: info.id, agent: info.agent ?? "" });
      else know(info.id, "startup");
    },
    "session.status": ({ sessionID, status }) => {
      const one = session(sessionID);
      if (status.type === "busy" && !one.busy) {
        one.busy = true;
        tell("session.busy", of(sessionID));
      }
      one.retrying = status.type === "retry" || (one.retrying && status.type === "idle");
      if (status.type === "retry") tell("session.retry", { ...of(sessionID), ...status });
    },
    "session.error": ({ sessionID, error }) => {
      if (!sessionID || !session(sessionID).busy) return;
      session(sessionID).busy = false;
      if (error?.name === "MessageAbortedError") tell("session.interrupted", of(sessionID));
      else tell("session.error", { ...of(sessionID), error });
    },
    // Comes twice after an error.
    "session.idle": ({ sessionID }) => {
      const one = session(sessionID);
      if (!one.busy) return;
      one.busy = false;
      if (one.parent) tell("subagent.stopped", { subagent: sessionID, text: one.text });
      // Interrupted between two tries it tells of no error.
      else if (one.retrying) tell("session.interrupted", of(sessionID));
      else tell("session.idle", { ...of(sessionID), text: one.text });
      one.retrying = false;
      one.text = null;
    },
    "message.updated": ({ sessionID, info }) => {
      if (info.role === "assistant") session(sessionID ?? info.sessionID).model = info.modelID ?? null;
    },
    "message.part.updated": ({ part: changed }) => part(changed),
    "permission.asked": (request) => {
      // Behind the tool it belongs to.
      last.then(() => void ask(request));
    },
    "permission.replied": ({ sessionID, requestID, reply }) => {
      const child = asking.get(requestID);
      asking.delete(requestID);
      tell("permission.replied", { ...of(sessionID), reply, open: asking.size });
      // Answered in the pane: nobody waits any more.
      if (child) last.then(() => setTimeout(() => child.kill(), 500));
    },
    "todo.updated": ({ sessionID, todos }) => tell("todo.updated", { ...of(sessionID), todos }),
  };

  tell("loaded", {});
  return {
    event: async ({ event }) => events[event.type]?.(event.properties),
    "chat.message": async ({ sessionID }, { parts }) => {
      know(sessionID, "resume");
      const text = parts.filter((part) => part.type === "text" && !part.synthetic).map((part) => part.text).join("\n");
      if (!session(sessionID).parent) tell("chat.message", { sessionID, text });
    },
    "tool.execute.before": async ({ tool, sessionID, callID }, { args }) => {
      calls.set(callID, args);
      tell("tool.execute.before", { ...of(sessionID), callID, tool, args });
    },
  };
};
