---@meta
-- Generated from the command catalogue by `nvim -l lua/orchflow/api/doc.lua`. Do not edit.

---@alias orchflow.Callback fun(failure?: orchflow.Failure, result?: table)

---@class orchflow.api.Swarm
---@field objective string what should be done, in your words
---@field agents? string|string[] kinds of agents, with commas (config, else what is installed)
---@field include_changes? boolean let uncommitted work go along, as a snapshot, or leave it
---@field view? string where the agents are shown (auto)
---@field budget? string what it may cost before its agents are paused and you are asked
---@field on_approval? string with --wait: what to do when an agent needs a permission (stop)

---@class orchflow.api.Spawn
---@field agent string the kind of agent
---@field prompt? string its first prompt; the run's objective when absent
---@field run? integer the run; the newest when absent
---@field name? string what to call it
---@field include_changes? boolean let uncommitted work go along, as a snapshot, or leave it
---@field view? string where the agents are shown (auto)

---@class orchflow.api.Send
---@field to string agents with commas, all, or a filter of agents such as is:idle
---@field text? string the prompt; read from standard input when absent
---@field run? integer the run; the newest when absent

---@class orchflow.api.Attach
---@field agent string the agent
---@field follow? boolean look on: send no keys and leave the agent's size alone
---@field in? string in the editor: where it is shown (split)

---@class orchflow.api.Talk
---@field agent string the agent

---@class orchflow.api.Status
---@field run? integer the run; the newest when absent
---@field all? boolean agents of earlier runs too

---@class orchflow.api.Log
---@field filter? string|string[] agent:NAME file:GLOB type:TYPE is:STATE turn:-1 run:N since:10m and words
---@field agent? string only this agent
---@field run? integer the run; the newest when absent
---@field type? string|string[] only these event types
---@field file? string only what touches this file
---@field text? string only what contains these words
---@field since? number|string only the last 90s, 10m, 2h, 3d
---@field limit? integer at most so many (100)
---@field before? integer only events before this one
---@field after? integer only events after this one

---@class orchflow.api.Timeline
---@field filter? string|string[] agent:NAME file:GLOB type:TYPE is:STATE turn:-1 run:N since:10m and words

---@class orchflow.api.Review
---@field filter? string|string[] agent:NAME file:GLOB type:TYPE is:STATE turn:-1 run:N since:10m and words
---@field run? integer the run; the newest when absent
---@field agent? string only this agent
---@field file? string only this file
---@field all? boolean decided hunks too
---@field limit? integer at most so many
---@field after? string go on where `next` of an earlier page says

---@class orchflow.api.Accept
---@field hunks? string|string[] hunk ids or their beginnings; - reads them from standard input
---@field hash? string refuse unless the one hunk has this content hash
---@field lines? string only these added (+) and removed (-) lines of the one hunk
---@field dry_run? boolean say what would happen and change nothing

---@class orchflow.api.Reject
---@field hunks? string|string[] hunk ids or their beginnings; - reads them from standard input
---@field hash? string refuse unless the one hunk has this content hash
---@field lines? string only these added (+) and removed (-) lines of the one hunk
---@field reason? string why; the agent is told
---@field dry_run? boolean say what would happen and change nothing

---@class orchflow.api.Comment
---@field hunk? string the hunk
---@field text string the comment
---@field hash? string refuse unless the one hunk has this content hash

---@class orchflow.api.Undo

---@class orchflow.api.Redo

---@class orchflow.api.Approvals
---@field filter? string|string[] agent:NAME file:GLOB type:TYPE is:STATE turn:-1 run:N since:10m and words
---@field all? boolean answered ones too, newest first
---@field limit? integer of the past: at most so many (100)
---@field before? integer of the past: only those asked for before this event

---@class orchflow.api.Approve
---@field id string|string[] approvals, such as a_41
---@field for? string how long: all but once make a rule of it (once)
---@field rule? string with --for: TOOL: PATTERN in place of what approvals offers
---@field edit? string other arguments, where the agent takes them

---@class orchflow.api.Deny
---@field id string the approval, such as a_41; several with commas
---@field why? string why
---@field reason? string why
---@field for? string how long: all but once make a rule of it (once)
---@field rule? string with --for: TOOL: PATTERN in place of what approvals offers

---@class orchflow.api.Rules
---@field action? string remove, allow, ask or deny
---@field rule? string the rule's id, such as r_12, or TOOL: PATTERN
---@field agent? string the new rule is for this agent
---@field run? integer the new rule is for this run
---@field always? boolean the new rule is for every agent, in every repository of yours
---@field reason? string why; an agent that is denied something is told

---@class orchflow.api.Cost
---@field by? string agent, turn, run, day or model (agent)
---@field run? integer the run; the newest when absent
---@field agent? string only this agent
---@field all? boolean all runs, not only the newest

---@class orchflow.api.Budget
---@field usd? string US dollars, or none; shows the budgets when absent
---@field run? integer the run; the newest when absent
---@field day? boolean the budget of today, of all runs

---@class orchflow.api.Stop
---@field agents string|string[] agents by name, or all
---@field run? integer the run; the newest when absent

---@class orchflow.api.Pause
---@field agents string|string[] agents by name, or all
---@field run? integer the run; the newest when absent

---@class orchflow.api.Resume
---@field agents? string|string[] agents by name, a run's number, or all; those of the newest run that were paused or cut off when absent
---@field run? integer the run; the newest when absent
---@field fresh? boolean begin a new session, which is told what the one before did
---@field view? string where the agents are shown (auto)

---@class orchflow.api.Why
---@field about? string an agent, an event's number, a hunk or an approval

---@class orchflow.api.Event
---@field seq string the event's number

---@class orchflow.api.Focus
---@field agent string the agent

---@class orchflow.api.Show
---@field agents string|string[] agents by name, or all
---@field run? integer the run; the newest when absent
---@field view? string where the agents are shown (auto)

---@class orchflow.api.Dashboard
---@field run? integer the run; the newest when absent

---@class orchflow.api.Next
---@field count? string how many to skip

---@class orchflow.api.Enter
---@field agent string the agent

---@class orchflow.api.View
---@field layout string terminal, split or dashboard

---@class orchflow.api.Pick
---@field what string agents, events, hunks or approvals
---@field filter? string|string[] agent:NAME file:GLOB type:TYPE is:STATE turn:-1 run:N since:10m and words

---@class orchflow.api.Build

---@class orchflow.api.Clean
---@field agents? string|string[] agents by name; every ended one when absent
---@field run? integer the run; the newest when absent
---@field dry_run? boolean say what would happen and change nothing

---@class orchflow.api.Agents

---@class orchflow.api.Adopt
---@field process? string the number of its process; it is left as it is
---@field session? string a session that no process has open
---@field agent? string with --session: the kind of agent it is of
---@field name? string what to call it
---@field include_changes? boolean let uncommitted work go along, as a snapshot, or leave it
---@field view? string where the agents are shown (auto)

---@class orchflow.api.Doctor
---@field fix? boolean mend what can be mended without harm

---@class orchflow.Module
---@field version string
---@field setup fun(options?: table): boolean, string[]
---@field swarm fun(given?: orchflow.api.Swarm|string, callback?: orchflow.Callback): table?, orchflow.Failure? Start a run: several agents on one objective, each in a worktree of its own.
---@field spawn fun(given?: orchflow.api.Spawn|string, callback?: orchflow.Callback): table?, orchflow.Failure? Add an agent to a run.
---@field send fun(given?: orchflow.api.Send|string, callback?: orchflow.Callback): table?, orchflow.Failure? Send a prompt to one agent, to several (with commas), to all, or to those a filter admits.
---@field attach fun(given?: orchflow.api.Attach|string, callback?: orchflow.Callback): table?, orchflow.Failure? Show an agent in this terminal, or in a window of the editor.
---@field talk fun(given?: orchflow.api.Talk|string, callback?: orchflow.Callback): table?, orchflow.Failure? Show what was said and done with an agent, and say what is next.
---@field status fun(given?: orchflow.api.Status|string, callback?: orchflow.Callback): table?, orchflow.Failure? Say who works, who waits and who is done.
---@field log fun(given?: orchflow.api.Log|string, callback?: orchflow.Callback): table?, orchflow.Failure? Show what happened; with `verify`, check the whole log for changes.
---@field timeline fun(given?: orchflow.api.Timeline|string, callback?: orchflow.Callback): table?, orchflow.Failure? Open the timeline: what happened, live at its end.
---@field review fun(given?: orchflow.api.Review|string, callback?: orchflow.Callback): table?, orchflow.Failure? List the hunks that wait for a decision.
---@field accept fun(given?: orchflow.api.Accept|string, callback?: orchflow.Callback): table?, orchflow.Failure? Take hunks into your own tree.
---@field reject fun(given?: orchflow.api.Reject|string, callback?: orchflow.Callback): table?, orchflow.Failure? Take hunks out of their agent's worktree, and tell it why.
---@field comment fun(given?: orchflow.api.Comment|string, callback?: orchflow.Callback): table?, orchflow.Failure? Say something about a hunk to its agent.
---@field undo fun(given?: orchflow.api.Undo|string, callback?: orchflow.Callback): table?, orchflow.Failure? Take the last decision back.
---@field redo fun(given?: orchflow.api.Redo|string, callback?: orchflow.Callback): table?, orchflow.Failure? Make the decision again that was undone last.
---@field approvals fun(given?: orchflow.api.Approvals|string, callback?: orchflow.Callback): table?, orchflow.Failure? List the permissions agents wait for; with a filter or --all, those of the past.
---@field approve fun(given?: orchflow.api.Approve|string, callback?: orchflow.Callback): table?, orchflow.Failure? Allow what agents ask for: once, or by a rule from now on.
---@field deny fun(given?: orchflow.api.Deny|string, callback?: orchflow.Callback): table?, orchflow.Failure? Deny what an agent asks for, and tell it why.
---@field rules fun(given?: orchflow.api.Rules|string, callback?: orchflow.Callback): table?, orchflow.Failure? List the rules that answer permissions, make one, or take one back.
---@field cost fun(given?: orchflow.api.Cost|string, callback?: orchflow.Callback): table?, orchflow.Failure? Say what agents used and what it cost, by agent, run, day or model.
---@field budget fun(given?: orchflow.api.Budget|string, callback?: orchflow.Callback): table?, orchflow.Failure? Set what a run, or today, may cost; raising it lets paused agents go on.
---@field stop fun(given?: orchflow.api.Stop|string, callback?: orchflow.Callback): table?, orchflow.Failure? End agents; their work stays for review.
---@field pause fun(given?: orchflow.api.Pause|string, callback?: orchflow.Callback): table?, orchflow.Failure? Halt agents where they stand; prompts wait meanwhile.
---@field resume fun(given?: orchflow.api.Resume|string, callback?: orchflow.Callback): table?, orchflow.Failure? Let paused agents go on, and start ended ones again with their session, as after a reboot.
---@field why fun(given?: orchflow.api.Why|string, callback?: orchflow.Callback): table?, orchflow.Failure? Say why something is as it is: an agent's status, an event, a hunk, an approval.
---@field event fun(given?: orchflow.api.Event|string, callback?: orchflow.Callback): table?, orchflow.Failure? Show one event whole: what it led from, what it led to, its diff.
---@field focus fun(given?: orchflow.api.Focus|string, callback?: orchflow.Callback): table?, orchflow.Failure? Go to the pane that shows an agent.
---@field show fun(given?: orchflow.api.Show|string, callback?: orchflow.Callback): table?, orchflow.Failure? Open panes for agents that run detached.
---@field dashboard fun(given?: orchflow.api.Dashboard|string, callback?: orchflow.Callback): table?, orchflow.Failure? Open the dashboard: every agent, live, with keys to steer it.
---@field next fun(given?: orchflow.api.Next|string, callback?: orchflow.Callback): table?, orchflow.Failure? Go to what needs you most: a permission, a failure, finished work.
---@field enter fun(given?: orchflow.api.Enter|string, callback?: orchflow.Callback): table?, orchflow.Failure? Open a tab in an agent's worktree, to run and debug that version.
---@field view fun(given?: orchflow.api.View|string, callback?: orchflow.Callback): table?, orchflow.Failure? Switch the layout: agents only, editor and agents, or activity; again goes back.
---@field pick fun(given?: orchflow.api.Pick|string, callback?: orchflow.Callback): table?, orchflow.Failure? Pick an agent, an event, a hunk or an approval in the picker that is there.
---@field build fun(given?: orchflow.api.Build|string, callback?: orchflow.Callback): table?, orchflow.Failure? Build the programs in the plugin's folder, as a plugin manager does after an update.
---@field clean fun(given?: orchflow.api.Clean|string, callback?: orchflow.Callback): table?, orchflow.Failure? Remove the worktrees of ended agents; their last state is kept under a ref.
---@field agents fun(given?: orchflow.api.Agents|string, callback?: orchflow.Callback): table?, orchflow.Failure? List the kinds of agents, where they are installed and how to get them.
---@field adopt fun(given?: orchflow.api.Adopt|string, callback?: orchflow.Callback): table?, orchflow.Failure? Go on with an agent that was started elsewhere; lists such agents when absent.
---@field doctor fun(given?: orchflow.api.Doctor|string, callback?: orchflow.Callback): table?, orchflow.Failure? Look for what agents, hosts and git left behind, and for what is missing or damaged.
