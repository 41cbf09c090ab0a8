---@meta
-- Generated from the command catalogue by `nvim -l lua/orchflow/api/doc.lua`. Do not edit.

---@alias orchflow.Callback fun(failure?: orchflow.Failure, result?: table)

---@class orchflow.api.Swarm
---@field objective string what should be done, in your words
---@field agents? string|string[] kinds of agents, with commas (config, else what is installed)
---@field include_changes? boolean let uncommitted work go along, as a snapshot, or leave it
---@field view? string where the agents are shown (auto)
---@field on_approval? string with --wait: what to do when an agent needs a permission (stop)

---@class orchflow.api.Spawn
---@field agent string the kind of agent
---@field prompt? string its first prompt; the run's objective when absent
---@field run? integer the run; the newest when absent
---@field name? string what to call it
---@field include_changes? boolean let uncommitted work go along, as a snapshot, or leave it
---@field view? string where the agents are shown (auto)

---@class orchflow.api.Send
---@field to string agents with commas, or all
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

---@class orchflow.api.Approve
---@field id string the approval, such as a_41

---@class orchflow.api.Deny
---@field id string the approval, such as a_41
---@field reason? string why

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
---@field send fun(given?: orchflow.api.Send|string, callback?: orchflow.Callback): table?, orchflow.Failure? Send a prompt to one agent, to several (with commas), or to all.
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
---@field approvals fun(given?: orchflow.api.Approvals|string, callback?: orchflow.Callback): table?, orchflow.Failure? List the permissions agents wait for.
---@field approve fun(given?: orchflow.api.Approve|string, callback?: orchflow.Callback): table?, orchflow.Failure? Allow what an agent asks for, once.
---@field deny fun(given?: orchflow.api.Deny|string, callback?: orchflow.Callback): table?, orchflow.Failure? Deny what an agent asks for, and tell it why.
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
---@field adopt fun(given?: orchflow.api.Adopt|string, callback?: orchflow.Callback): table?, orchflow.Failure? Go on with an agent that was started elsewhere; lists those that run in this repository when absent.
---@field doctor fun(given?: orchflow.api.Doctor|string, callback?: orchflow.Callback): table?, orchflow.Failure? Look for what agents, hosts and git left behind, and for what is missing or damaged.
