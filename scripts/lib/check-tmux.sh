# An unpacked tmux is good when it runs.
"$1/bin/tmux" -V
