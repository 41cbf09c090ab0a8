--- The marks of agents' states for terminals with a Nerd Font, in place of the plain ones.

return {
  waiting = "\u{f0f3}", -- nf-fa-bell
  unknown = "\u{f128}", -- nf-fa-question
  working = "\u{f04b}", -- nf-fa-play
  starting = "\u{f110}", -- nf-fa-spinner
  idle = "\u{f10c}", -- nf-fa-circle_o
  paused = "\u{f04c}", -- nf-fa-pause
  done = "\u{f00c}", -- nf-fa-check
  failed = "\u{f00d}", -- nf-fa-times
  stopped = "\u{f04d}", -- nf-fa-stop
  exited = "\u{f08b}", -- nf-fa-sign_out
}
