-- Generated from the command catalogue by `orchflow catalogue lua`. Do not edit.
return {
  {
    name = "swarm",
    summary = "start a run: several agents on one objective, each in a worktree of its own",
    usage = "swarm [--agents LIST] [--[no-]include-changes] [--view auto|tmux|wezterm|nvim|none] [--budget USD] [--wait] [--timeout TIME] [--on-approval stop|wait|deny] [--json] OBJECTIVE...",
    example = "swarm --agents claude,rehearsal,rehearsal Make the greeting configurable and cover it with a test",
    arguments = {
      { name = "objective", arity = "text", required = true, summary = "what should be done, in your words" },
    },
    flags = {
      { name = "agents", kind = "list", value = "LIST", summary = "kinds of agents, with commas (config, else what is installed)" },
      { name = "include-changes", kind = "onoff", value = "", summary = "let uncommitted work go along, as a snapshot, or leave it" },
      { name = "view", kind = "text", value = "auto|tmux|wezterm|nvim|none", summary = "where the agents are shown (auto)" },
      { name = "budget", kind = "text", value = "USD", summary = "what it may cost before its agents are paused and you are asked" },
      { name = "wait", kind = "switch", value = "", summary = "wait until the run has nothing left to do" },
      { name = "timeout", kind = "duration", value = "TIME", summary = "with --wait: give up after this (90s, 10m); agents go on" },
      { name = "on-approval", kind = "text", value = "stop|wait|deny", summary = "with --wait: what to do when an agent needs a permission (stop)" },
      { name = "json", kind = "switch", value = "", summary = "print one JSON object instead of text" },
    },
  },
  {
    name = "spawn",
    summary = "add an agent to a run",
    usage = "spawn [--run N] [--name NAME] [--[no-]include-changes] [--view auto|tmux|wezterm|nvim|none] [--json] AGENT [PROMPT...]",
    example = "spawn claude Review the other agents' tests",
    arguments = {
      { name = "agent", arity = "one", required = true, summary = "the kind of agent" },
      { name = "prompt", arity = "text", required = false, summary = "its first prompt; the run's objective when absent" },
    },
    flags = {
      { name = "run", kind = "number", value = "N", summary = "the run; the newest when absent" },
      { name = "name", kind = "text", value = "NAME", summary = "what to call it" },
      { name = "include-changes", kind = "onoff", value = "", summary = "let uncommitted work go along, as a snapshot, or leave it" },
      { name = "view", kind = "text", value = "auto|tmux|wezterm|nvim|none", summary = "where the agents are shown (auto)" },
      { name = "json", kind = "switch", value = "", summary = "print one JSON object instead of text" },
    },
  },
  {
    name = "send",
    summary = "send a prompt to one agent, to several (with commas), to all, or to those a filter admits",
    usage = "send [--run N] [--json] TO [TEXT...]",
    example = "send claude Also handle an empty name",
    arguments = {
      { name = "to", arity = "one", required = true, summary = "agents with commas, all, or a filter of agents such as is:idle" },
      { name = "text", arity = "text", required = false, summary = "the prompt; read from standard input when absent" },
    },
    flags = {
      { name = "run", kind = "number", value = "N", summary = "the run; the newest when absent" },
      { name = "json", kind = "switch", value = "", summary = "print one JSON object instead of text" },
    },
  },
  {
    name = "attach",
    summary = "show an agent in this terminal, or in a window of the editor",
    usage = "attach [--follow] [--in split|tab|float|pane] AGENT",
    example = "attach claude",
    arguments = {
      { name = "agent", arity = "one", required = true, summary = "the agent" },
    },
    flags = {
      { name = "follow", kind = "switch", value = "", summary = "look on: send no keys and leave the agent's size alone" },
      { name = "in", kind = "text", value = "split|tab|float|pane", summary = "in the editor: where it is shown (split)" },
    },
  },
  {
    name = "talk",
    summary = "show what was said and done with an agent, and say what is next",
    usage = "talk AGENT",
    example = "talk claude",
    arguments = {
      { name = "agent", arity = "one", required = true, summary = "the agent" },
    },
    flags = {
    },
  },
  {
    name = "status",
    summary = "say who works, who waits and who is done",
    usage = "status [--run N] [--all] [--json]",
    example = "status",
    arguments = {
    },
    flags = {
      { name = "run", kind = "number", value = "N", summary = "the run; the newest when absent" },
      { name = "all", kind = "switch", value = "", summary = "agents of earlier runs too" },
      { name = "json", kind = "switch", value = "", summary = "print one JSON object instead of text" },
    },
  },
  {
    name = "log",
    summary = "show what happened; with `verify`, check the whole log for changes",
    usage = "log [--follow] [--agent NAME] [--run N] [--type LIST] [--file PATH] [--text WORDS] [--since TIME] [--limit N] [--before SEQ] [--after SEQ] [--json] [--jsonl] [FILTER...]",
    example = "log -f --agent claude",
    arguments = {
      { name = "filter", arity = "many", required = false, summary = "agent:NAME file:GLOB type:TYPE is:STATE turn:-1 run:N since:10m and words" },
    },
    flags = {
      { name = "follow", kind = "switch", value = "", summary = "go on as things happen" },
      { name = "agent", kind = "text", value = "NAME", summary = "only this agent" },
      { name = "run", kind = "number", value = "N", summary = "the run; the newest when absent" },
      { name = "type", kind = "list", value = "LIST", summary = "only these event types" },
      { name = "file", kind = "text", value = "PATH", summary = "only what touches this file" },
      { name = "text", kind = "text", value = "WORDS", summary = "only what contains these words" },
      { name = "since", kind = "duration", value = "TIME", summary = "only the last 90s, 10m, 2h, 3d" },
      { name = "limit", kind = "number", value = "N", summary = "at most so many (100)" },
      { name = "before", kind = "number", value = "SEQ", summary = "only events before this one" },
      { name = "after", kind = "number", value = "SEQ", summary = "only events after this one" },
      { name = "json", kind = "switch", value = "", summary = "print one JSON object instead of text" },
      { name = "jsonl", kind = "switch", value = "", summary = "print one JSON object per line and event" },
    },
  },
  {
    name = "timeline",
    summary = "open the timeline: what happened, live at its end",
    usage = "timeline [FILTER...]",
    example = "timeline agent:claude type:edit since:10m",
    arguments = {
      { name = "filter", arity = "many", required = false, summary = "agent:NAME file:GLOB type:TYPE is:STATE turn:-1 run:N since:10m and words" },
    },
    flags = {
    },
  },
  {
    name = "review",
    summary = "list the hunks that wait for a decision",
    usage = "review [--run N] [--agent NAME] [--file PATH] [--all] [--limit N] [--after CURSOR] [--json] [FILTER...]",
    example = "review --agent claude",
    arguments = {
      { name = "filter", arity = "many", required = false, summary = "agent:NAME file:GLOB type:TYPE is:STATE turn:-1 run:N since:10m and words" },
    },
    flags = {
      { name = "run", kind = "number", value = "N", summary = "the run; the newest when absent" },
      { name = "agent", kind = "text", value = "NAME", summary = "only this agent" },
      { name = "file", kind = "text", value = "PATH", summary = "only this file" },
      { name = "all", kind = "switch", value = "", summary = "decided hunks too" },
      { name = "limit", kind = "number", value = "N", summary = "at most so many" },
      { name = "after", kind = "text", value = "CURSOR", summary = "go on where `next` of an earlier page says" },
      { name = "json", kind = "switch", value = "", summary = "print one JSON object instead of text" },
    },
  },
  {
    name = "accept",
    summary = "take hunks into your own tree",
    usage = "accept [--hash HEX] [--lines +N-M,-N] [--dry-run] [--json] [HUNKS...]",
    example = "accept h_9f2c",
    arguments = {
      { name = "hunks", arity = "many", required = false, summary = "hunk ids or their beginnings; - reads them from standard input" },
    },
    flags = {
      { name = "hash", kind = "text", value = "HEX", summary = "refuse unless the one hunk has this content hash" },
      { name = "lines", kind = "text", value = "+N-M,-N", summary = "only these added (+) and removed (-) lines of the one hunk" },
      { name = "dry-run", kind = "switch", value = "", summary = "say what would happen and change nothing" },
      { name = "json", kind = "switch", value = "", summary = "print one JSON object instead of text" },
    },
  },
  {
    name = "reject",
    summary = "take hunks out of their agent's worktree, and tell it why",
    usage = "reject [--hash HEX] [--lines +N-M,-N] [--reason TEXT] [--dry-run] [--json] [HUNKS...]",
    example = "reject h_9f2c --reason 'keep the old name'",
    arguments = {
      { name = "hunks", arity = "many", required = false, summary = "hunk ids or their beginnings; - reads them from standard input" },
    },
    flags = {
      { name = "hash", kind = "text", value = "HEX", summary = "refuse unless the one hunk has this content hash" },
      { name = "lines", kind = "text", value = "+N-M,-N", summary = "only these added (+) and removed (-) lines of the one hunk" },
      { name = "reason", kind = "text", value = "TEXT", summary = "why; the agent is told" },
      { name = "dry-run", kind = "switch", value = "", summary = "say what would happen and change nothing" },
      { name = "json", kind = "switch", value = "", summary = "print one JSON object instead of text" },
    },
  },
  {
    name = "comment",
    summary = "say something about a hunk to its agent",
    usage = "comment [--hash HEX] [--json] HUNK TEXT...",
    example = "comment h_9f2c use the existing helper",
    arguments = {
      { name = "hunk", arity = "one", required = true, summary = "the hunk" },
      { name = "text", arity = "text", required = true, summary = "the comment" },
    },
    flags = {
      { name = "hash", kind = "text", value = "HEX", summary = "refuse unless the one hunk has this content hash" },
      { name = "json", kind = "switch", value = "", summary = "print one JSON object instead of text" },
    },
  },
  {
    name = "undo",
    summary = "take the last decision back",
    usage = "undo [--json]",
    example = "undo",
    arguments = {
    },
    flags = {
      { name = "json", kind = "switch", value = "", summary = "print one JSON object instead of text" },
    },
  },
  {
    name = "redo",
    summary = "make the decision again that was undone last",
    usage = "redo [--json]",
    example = "redo",
    arguments = {
    },
    flags = {
      { name = "json", kind = "switch", value = "", summary = "print one JSON object instead of text" },
    },
  },
  {
    name = "approvals",
    summary = "list the permissions agents wait for; with a filter or --all, those of the past",
    usage = "approvals [--all] [--limit N] [--before SEQ] [--json] [FILTER...]",
    example = "approvals",
    arguments = {
      { name = "filter", arity = "many", required = false, summary = "agent:NAME file:GLOB type:TYPE is:STATE turn:-1 run:N since:10m and words" },
    },
    flags = {
      { name = "all", kind = "switch", value = "", summary = "answered ones too, newest first" },
      { name = "limit", kind = "number", value = "N", summary = "of the past: at most so many (100)" },
      { name = "before", kind = "number", value = "SEQ", summary = "of the past: only those asked for before this event" },
      { name = "json", kind = "switch", value = "", summary = "print one JSON object instead of text" },
    },
  },
  {
    name = "approve",
    summary = "allow what agents ask for: once, or by a rule from now on",
    usage = "approve [--for once|agent|run|always] [--rule RULE] [--edit JSON] [--json] ID...",
    example = "approve a_41",
    arguments = {
      { name = "id", arity = "many", required = true, summary = "approvals, such as a_41" },
    },
    flags = {
      { name = "for", kind = "text", value = "once|agent|run|always", summary = "how long: all but once make a rule of it (once)" },
      { name = "rule", kind = "text", value = "RULE", summary = "with --for: TOOL: PATTERN in place of what approvals offers" },
      { name = "edit", kind = "text", value = "JSON", summary = "other arguments, where the agent takes them" },
      { name = "json", kind = "switch", value = "", summary = "print one JSON object instead of text" },
    },
  },
  {
    name = "deny",
    summary = "deny what an agent asks for, and tell it why",
    usage = "deny [--reason TEXT] [--for once|agent|run|always] [--rule RULE] [--json] ID [WHY...]",
    example = "deny a_41 no new dependencies",
    arguments = {
      { name = "id", arity = "one", required = true, summary = "the approval, such as a_41; several with commas" },
      { name = "why", arity = "text", required = false, summary = "why" },
    },
    flags = {
      { name = "reason", kind = "text", value = "TEXT", summary = "why" },
      { name = "for", kind = "text", value = "once|agent|run|always", summary = "how long: all but once make a rule of it (once)" },
      { name = "rule", kind = "text", value = "RULE", summary = "with --for: TOOL: PATTERN in place of what approvals offers" },
      { name = "json", kind = "switch", value = "", summary = "print one JSON object instead of text" },
    },
  },
  {
    name = "rules",
    summary = "list the rules that answer permissions, make one, or take one back",
    usage = "rules [--agent NAME] [--run N] [--always] [--reason TEXT] [--json] [ACTION] [RULE...]",
    example = "rules deny --always Bash: git push*",
    arguments = {
      { name = "action", arity = "optional", required = false, summary = "remove, allow, ask or deny" },
      { name = "rule", arity = "text", required = false, summary = "the rule's id, such as r_12, or TOOL: PATTERN" },
    },
    flags = {
      { name = "agent", kind = "text", value = "NAME", summary = "the new rule is for this agent" },
      { name = "run", kind = "number", value = "N", summary = "the new rule is for this run" },
      { name = "always", kind = "switch", value = "", summary = "the new rule is for every agent, in every repository of yours" },
      { name = "reason", kind = "text", value = "TEXT", summary = "why; an agent that is denied something is told" },
      { name = "json", kind = "switch", value = "", summary = "print one JSON object instead of text" },
    },
  },
  {
    name = "cost",
    summary = "say what agents used and what it cost, by agent, run, day or model",
    usage = "cost [--run N] [--agent NAME] [--all] [--json] [BY]",
    example = "cost model --all",
    arguments = {
      { name = "by", arity = "optional", required = false, summary = "agent, turn, run, day or model (agent)" },
    },
    flags = {
      { name = "run", kind = "number", value = "N", summary = "the run; the newest when absent" },
      { name = "agent", kind = "text", value = "NAME", summary = "only this agent" },
      { name = "all", kind = "switch", value = "", summary = "all runs, not only the newest" },
      { name = "json", kind = "switch", value = "", summary = "print one JSON object instead of text" },
    },
  },
  {
    name = "budget",
    summary = "set what a run, or today, may cost; raising it lets paused agents go on",
    usage = "budget [--run N] [--day] [--json] [USD]",
    example = "budget --run 7 10",
    arguments = {
      { name = "usd", arity = "optional", required = false, summary = "US dollars, or none; shows the budgets when absent" },
    },
    flags = {
      { name = "run", kind = "number", value = "N", summary = "the run; the newest when absent" },
      { name = "day", kind = "switch", value = "", summary = "the budget of today, of all runs" },
      { name = "json", kind = "switch", value = "", summary = "print one JSON object instead of text" },
    },
  },
  {
    name = "stop",
    summary = "end agents; their work stays for review",
    usage = "stop [--run N] [--json] AGENTS...",
    example = "stop all",
    arguments = {
      { name = "agents", arity = "many", required = true, summary = "agents by name, or all" },
    },
    flags = {
      { name = "run", kind = "number", value = "N", summary = "the run; the newest when absent" },
      { name = "json", kind = "switch", value = "", summary = "print one JSON object instead of text" },
    },
  },
  {
    name = "pause",
    summary = "halt agents where they stand; prompts wait meanwhile",
    usage = "pause [--run N] [--json] AGENTS...",
    example = "pause claude",
    arguments = {
      { name = "agents", arity = "many", required = true, summary = "agents by name, or all" },
    },
    flags = {
      { name = "run", kind = "number", value = "N", summary = "the run; the newest when absent" },
      { name = "json", kind = "switch", value = "", summary = "print one JSON object instead of text" },
    },
  },
  {
    name = "resume",
    summary = "let paused agents go on, and start ended ones again with their session, as after a reboot",
    usage = "resume [--run N] [--fresh] [--view auto|tmux|wezterm|nvim|none] [--json] [AGENTS...]",
    example = "resume claude",
    arguments = {
      { name = "agents", arity = "many", required = false, summary = "agents by name, a run's number, or all; those of the newest run that were paused or cut off when absent" },
    },
    flags = {
      { name = "run", kind = "number", value = "N", summary = "the run; the newest when absent" },
      { name = "fresh", kind = "switch", value = "", summary = "begin a new session, which is told what the one before did" },
      { name = "view", kind = "text", value = "auto|tmux|wezterm|nvim|none", summary = "where the agents are shown (auto)" },
      { name = "json", kind = "switch", value = "", summary = "print one JSON object instead of text" },
    },
  },
  {
    name = "why",
    summary = "say why something is as it is: an agent's status, an event, a hunk, an approval",
    usage = "why [--json] [ABOUT]",
    example = "why claude",
    arguments = {
      { name = "about", arity = "optional", required = false, summary = "an agent, an event's number, a hunk or an approval" },
    },
    flags = {
      { name = "json", kind = "switch", value = "", summary = "print one JSON object instead of text" },
    },
  },
  {
    name = "event",
    summary = "show one event whole: what it led from, what it led to, its diff",
    usage = "event [--json] SEQ",
    example = "event 214",
    arguments = {
      { name = "seq", arity = "one", required = true, summary = "the event's number" },
    },
    flags = {
      { name = "json", kind = "switch", value = "", summary = "print one JSON object instead of text" },
    },
  },
  {
    name = "focus",
    summary = "go to the pane that shows an agent",
    usage = "focus [--json] AGENT",
    example = "focus claude",
    arguments = {
      { name = "agent", arity = "one", required = true, summary = "the agent" },
    },
    flags = {
      { name = "json", kind = "switch", value = "", summary = "print one JSON object instead of text" },
    },
  },
  {
    name = "show",
    summary = "open panes for agents that run detached",
    usage = "show [--run N] [--view auto|tmux|wezterm|nvim|none] [--json] AGENTS...",
    example = "show all",
    arguments = {
      { name = "agents", arity = "many", required = true, summary = "agents by name, or all" },
    },
    flags = {
      { name = "run", kind = "number", value = "N", summary = "the run; the newest when absent" },
      { name = "view", kind = "text", value = "auto|tmux|wezterm|nvim|none", summary = "where the agents are shown (auto)" },
      { name = "json", kind = "switch", value = "", summary = "print one JSON object instead of text" },
    },
  },
  {
    name = "dashboard",
    summary = "open the dashboard: every agent, live, with keys to steer it",
    usage = "dashboard [--run N]",
    example = "dashboard",
    arguments = {
    },
    flags = {
      { name = "run", kind = "number", value = "N", summary = "the run; the newest when absent" },
    },
  },
  {
    name = "next",
    summary = "go to what needs you most: a permission, a failure, finished work",
    usage = "next [COUNT]",
    example = "next",
    arguments = {
      { name = "count", arity = "optional", required = false, summary = "how many to skip" },
    },
    flags = {
    },
  },
  {
    name = "enter",
    summary = "open a tab in an agent's worktree, to run and debug that version",
    usage = "enter AGENT",
    example = "enter claude",
    arguments = {
      { name = "agent", arity = "one", required = true, summary = "the agent" },
    },
    flags = {
    },
  },
  {
    name = "view",
    summary = "switch the layout: agents only, editor and agents, or activity; again goes back",
    usage = "view LAYOUT",
    example = "view dashboard",
    arguments = {
      { name = "layout", arity = "one", required = true, summary = "terminal, split or dashboard" },
    },
    flags = {
    },
  },
  {
    name = "pick",
    summary = "pick an agent, an event, a hunk or an approval in the picker that is there",
    usage = "pick WHAT [FILTER...]",
    example = "pick hunks agent:claude",
    arguments = {
      { name = "what", arity = "one", required = true, summary = "agents, events, hunks or approvals" },
      { name = "filter", arity = "many", required = false, summary = "agent:NAME file:GLOB type:TYPE is:STATE turn:-1 run:N since:10m and words" },
    },
    flags = {
    },
  },
  {
    name = "build",
    summary = "build the programs in the plugin's folder, as a plugin manager does after an update",
    usage = "build",
    example = "build",
    arguments = {
    },
    flags = {
    },
  },
  {
    name = "clean",
    summary = "remove the worktrees of ended agents; their last state is kept under a ref",
    usage = "clean [--run N] [--dry-run] [--json] [AGENTS...]",
    example = "clean",
    arguments = {
      { name = "agents", arity = "many", required = false, summary = "agents by name; every ended one when absent" },
    },
    flags = {
      { name = "run", kind = "number", value = "N", summary = "the run; the newest when absent" },
      { name = "dry-run", kind = "switch", value = "", summary = "say what would happen and change nothing" },
      { name = "json", kind = "switch", value = "", summary = "print one JSON object instead of text" },
    },
  },
  {
    name = "agents",
    summary = "list the kinds of agents, where they are installed and how to get them",
    usage = "agents [--json]",
    example = "agents",
    arguments = {
    },
    flags = {
      { name = "json", kind = "switch", value = "", summary = "print one JSON object instead of text" },
    },
  },
  {
    name = "adopt",
    summary = "go on with an agent that was started elsewhere; lists such agents when absent",
    usage = "adopt [--session ID] [--agent KIND] [--name NAME] [--[no-]include-changes] [--view auto|tmux|wezterm|nvim|none] [--json] [PROCESS]",
    example = "adopt 25080",
    arguments = {
      { name = "process", arity = "optional", required = false, summary = "the number of its process; it is left as it is" },
    },
    flags = {
      { name = "session", kind = "text", value = "ID", summary = "a session that no process has open" },
      { name = "agent", kind = "text", value = "KIND", summary = "with --session: the kind of agent it is of" },
      { name = "name", kind = "text", value = "NAME", summary = "what to call it" },
      { name = "include-changes", kind = "onoff", value = "", summary = "let uncommitted work go along, as a snapshot, or leave it" },
      { name = "view", kind = "text", value = "auto|tmux|wezterm|nvim|none", summary = "where the agents are shown (auto)" },
      { name = "json", kind = "switch", value = "", summary = "print one JSON object instead of text" },
    },
  },
  {
    name = "doctor",
    summary = "look for what agents, hosts and git left behind, and for what is missing or damaged",
    usage = "doctor [--fix] [--json]",
    example = "doctor --fix",
    arguments = {
    },
    flags = {
      { name = "fix", kind = "switch", value = "", summary = "mend what can be mended without harm" },
      { name = "json", kind = "switch", value = "", summary = "print one JSON object instead of text" },
    },
  },
}
