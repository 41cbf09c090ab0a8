"""The programs: how each is told of the model server, and what it does not offer. One entry is one row of the matrix."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

KEY = "sk-test"
MODEL = "mock-model"


@dataclass
class Program:
    """One program of the matrix."""

    # Its row's name, which is its name in orchflow's catalogue where `agent` says no other; its title; and the program's
    # own name in READY.
    name: str
    title: str
    installed: str
    version: str = ""
    agent: str = ""
    # `terminal` or `acp`.
    channel: str = "terminal"
    # What the front's environment gets, given the model server's port and the home.
    environment: Callable = lambda port, home: {}
    # Files below the home, given the port and the repository.
    files: Callable = lambda port, repository: {}
    # Files of the repository, by their names.
    repository: dict = field(default_factory=dict)
    # Cells that the program has no way for, with the reason.
    lacks: dict = field(default_factory=dict)
    # The user's own settings of orchflow's agent: further arguments.
    arguments: tuple = ()
    # More of them, as TOML.
    settings: str = ""
    # Keys that interrupt a turn in its terminal.
    interrupt: tuple = (b"\x1b",)
    # The word of its questions in its terminal, and the key that says yes, where the human has to.
    asks_in_pane: tuple = ()
    # What makes it ask for a permission, in the model server's words; it makes a file of this name.
    asks: str = '[[scenario:shell cmd="touch {name}"]]'
    # Whether it counts tokens itself, where the stream of its model does not.
    estimates: bool = False
    # Hooks that a status follows from.
    tells: dict = field(default_factory=dict)

    def __post_init__(self):
        self.agent = self.agent or self.name
        if self.channel == "acp":
            self.lacks = {"adopt": "it has no terminal that somebody could have started it in", **self.lacks}


def settings(value):
    return json.dumps(value, indent=2)


def claude_files(_, repository):
    state = {
        "hasCompletedOnboarding": True, "theme": "dark", "hasSeenAutoDefaultNudge": True,
        "customApiKeyResponses": {"approved": [KEY], "rejected": []},
        "projects": {str(repository): {"hasTrustDialogAccepted": True}},
    }
    return {".claude.json": settings(state), ".claude/settings.json": settings({"permissions": {"defaultMode": "manual"}})}


def codex_files(port, repository):
    return {".codex/config.toml": f"""model = "gpt-5.5"
model_provider = "mock"
approval_policy = "on-request"
sandbox_mode = "read-only"
[model_providers.mock]
name = "mock"
base_url = "http://127.0.0.1:{port}/v1"
wire_api = "responses"
env_key = "OPENAI_API_KEY"
supports_websockets = false
request_max_retries = 0
stream_max_retries = 0
[projects."{repository}"]
trust_level = "trusted"
[notice.model_migrations]
"gpt-5.5" = "gpt-6-sol"
"""}


def gemini_files(_, repository):
    value = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "general": {"enableAutoUpdate": False}, "privacy": {"usageStatisticsEnabled": False},
        # A scripted model that reads on and on is one.
        "model": {"disableLoopDetection": True},
    }
    return {".gemini/settings.json": settings(value),
            ".gemini/trustedFolders.json": settings({str(repository): "TRUST_FOLDER"})}


def qwen_files(_, repository):
    value = {"security": {"auth": {"selectedType": "openai"}}, "general": {"enableAutoUpdate": False},
             "privacy": {"usageStatisticsEnabled": False}}
    return {".qwen/settings.json": settings(value)}


def copilot_files(_, repository):
    return {".copilot/config.json": settings({"trustedFolders": [str(repository)]})}


def opencode_files(port, _):
    provider = {"npm": "@ai-sdk/openai-compatible", "name": "mock",
                "options": {"baseURL": f"http://127.0.0.1:{port}/v1", "apiKey": KEY},
                "models": {MODEL: {"name": MODEL}}}
    return {".config/opencode/opencode.json": settings({
        "provider": {"mock": provider}, "model": f"mock/{MODEL}", "small_model": f"mock/{MODEL}",
        "autoupdate": False, "share": "disabled", "permission": {"edit": "allow", "bash": "ask"}})}


def openai(port, _):
    return {"OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1", "OPENAI_API_KEY": KEY}


def claude_environment(port, _):
    return {"ANTHROPIC_BASE_URL": f"http://127.0.0.1:{port}", "ANTHROPIC_API_KEY": KEY,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1"}


def gemini_environment(port, _):
    return {"GOOGLE_GEMINI_BASE_URL": f"http://127.0.0.1:{port}", "GEMINI_API_KEY": KEY}


def copilot_environment(port, _):
    return {"COPILOT_OFFLINE": "true", "COPILOT_PROVIDER_BASE_URL": f"http://127.0.0.1:{port}/v1",
            "COPILOT_PROVIDER_TYPE": "openai", "COPILOT_PROVIDER_API_KEY": KEY, "COPILOT_MODEL": "gpt-5",
            "COPILOT_AUTO_UPDATE": "false"}


def aider_environment(port, _):
    return {"OPENAI_API_BASE": f"http://127.0.0.1:{port}/v1", "OPENAI_API_KEY": KEY, "AIDER_MODEL": f"openai/{MODEL}",
            "AIDER_EDIT_FORMAT": "diff", "AIDER_MAP_TOKENS": "0", "AIDER_SHOW_MODEL_WARNINGS": "false",
            "AIDER_SHOW_RELEASE_NOTES": "false", "AIDER_ANALYTICS": "false"}


GEMINI = dict(
    environment=gemini_environment, files=gemini_files, asks_in_pane=("Allow once", b"\r"),
    lacks={"approve": "no channel takes an answer: the inbox says so and jumps to its pane",
           "deny": "no channel takes an answer: the inbox says so and jumps to its pane"},
    tells={"BeforeAgent": "working", "Notification": "waiting", "AfterAgent": "done"})

PROGRAMS = [
    Program("claude", "Claude Code", "claude", environment=claude_environment, files=claude_files,
            tells={"UserPromptSubmit": "working", "PermissionRequest": "waiting", "Stop": "done", "StopFailure": "failed"}),
    # Its sandbox runs commands unasked, as far as they write nothing. It states its status before and behind its hooks.
    Program("codex", "Codex", "codex", environment=openai, files=codex_files,
            asks="[[scenario:write-file path={name} content=made]]"),
    Program("gemini", "Gemini CLI", "gemini", **GEMINI),
    Program("gemini-settings", "Gemini CLI, where the repository has settings", "gemini", agent="gemini", **GEMINI,
            repository={".gemini/settings.json": settings({"context": {"fileName": "GEMINI.md"}})}),
    Program("copilot", "GitHub Copilot CLI", "copilot", environment=copilot_environment, files=copilot_files,
            interrupt=(b"\x1b", b"\x1b"),
            tells={"userPromptSubmitted": "working", "permissionRequest": "waiting", "agentStop": "done",
                   "errorOccurred": "failed"}),
    Program("opencode", "opencode", "opencode", files=opencode_files, interrupt=(b"\x1b", b"\x1b"),
            lacks={"adopt": "it keeps a session to the folder it was begun in"},
            tells={"chat.message": "working", "permission.asked": "waiting", "session.idle": "done",
                   "session.error": "failed", "session.interrupted": "idle"}),
    Program("qwen", "Qwen Code", "qwen", environment=openai, files=qwen_files,
            arguments=("--auth-type", "openai", "--model", MODEL),
            tells={"UserPromptSubmit": "working", "PermissionRequest": "waiting", "Stop": "done"}),
    Program("aider", "aider", "aider", environment=aider_environment, interrupt=(b"\x03",),
            asks_in_pane=("(Y)es/(N)o", b"y\r"), estimates=True,
            lacks={"events": "it reports no tools; its changes are seen in git", "approve": "it asks in its pane only",
                   "deny": "it asks in its pane only", "resume": "it has no session ids",
                   "adopt": "it has no session ids"}),
    # Programs of the Agent Client Protocol, by the names of the catalogue.
    Program("claude-acp", "Claude Code by ACP", "claude-agent-acp", channel="acp", environment=claude_environment,
            files=claude_files),
    # In its own mode it writes unasked, whatever its configuration says.
    Program("codex-acp", "Codex by ACP", "codex-acp", channel="acp", environment=openai, files=codex_files,
            settings='[acp]\nmode = "read-only"\n', asks="[[scenario:write-file path={name} content=made]]"),
    Program("gemini-acp", "Gemini CLI by ACP", "gemini", channel="acp", environment=gemini_environment, files=gemini_files),
    Program("copilot-acp", "GitHub Copilot CLI by ACP", "copilot", channel="acp", environment=copilot_environment,
            files=copilot_files),
    Program("opencode-acp", "opencode by ACP", "opencode", channel="acp", files=opencode_files),
    Program("qwen-acp", "Qwen Code by ACP", "qwen", channel="acp", environment=openai, files=qwen_files),
]


def installed(ready):
    """Reads $ORCHFLOW_DEPS/agents/READY: versions and paths by name."""
    found = {}
    for line in Path(ready).read_text().splitlines():
        name, version, path = line.split("\t")
        found[name] = (version, Path(path))
    return found
