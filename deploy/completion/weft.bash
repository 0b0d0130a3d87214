# Completion of `weft` for bash: sourced, or installed as share/bash-completion/completions/weft.

# Files that end in yaml or yml, folders, and the configs that an installation brings along.
_weft_configs() {
  local word=$1 program
  compgen -d -- "$word"
  compgen -f -X '!*.@(yaml|yml)' -- "$word"
  program=$(command -v weft) || return 0
  program=$(readlink -f "$program")
  IFS=$'\n' compgen -W "$(compgen -G "${program%/bin/weft}/share/weft/configs/*.yaml")" -- "$word"
}

# What may follow `--option`; nothing where the option stands alone.
_weft_values() {
  local option=$1 word=$2
  case $option in
    --output) compgen -d -- "$word" ;;
    --redo) compgen -W "simulate train evaluate report" -- "$word" ;;
    --resume) compgen -W "auto must never" -- "$word" ;;
    --log-level) compgen -W "info warning error off" -- "$word" ;;
    --log-format) compgen -W "text json" -- "$word" ;;
    --metrics-port) compgen -W "auto 9464" -- "$word" ;;
    --metrics-address) compgen -W "127.0.0.1 0.0.0.0" -- "$word" ;;
    --metrics-targets) compgen -f -- "$word" ;;
    --metrics-push) compgen -W "http://" -- "$word" ;;
    --set) compgen -S = -W "$(_weft_keys)" -- "$word" ;;
  esac
}

# The keys of the config on the line, as weft itself names them.
_weft_keys() {
  local word
  for word in "${COMP_WORDS[@]:2}"; do
    [[ $word == *.y?(a)ml && -f $word ]] || continue
    weft config "$word" 2>/dev/null | awk '
      /^ *[a-z_0-9]+:/ {
        depth = (match($0, /[^ ]/) - 1) / 2
        name = $1; sub(/:.*/, "", name)
        path[depth] = name
        if (NF < 2) next
        key = path[0]
        for (k = 1; k <= depth; ++k) key = key "." path[k]
        print key
      }'
    return
  done
}

_weft() {
  local extended_globs
  extended_globs=$(shopt -p extglob)
  shopt -s extglob
  _weft_complete
  $extended_globs
}

_weft_complete() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}
  local stages="--output --set --redo --resume --max-hours --log-level --log-format"
  stages+=" --metrics-port --metrics-address --metrics-targets --metrics-push"
  local -a found=()
  if ((COMP_CWORD == 1)); then
    mapfile -t found < <(compgen -W "run simulate train evaluate report config inspect --help -h --version" -- "$word")
  elif [[ $before == -* && " $stages " == *" $before "* ]]; then
    mapfile -t found < <(_weft_values "$before" "$word")
    case $before in
      --set) compopt -o nospace 2>/dev/null || true ;;
      --output | --metrics-targets) compopt -o filenames 2>/dev/null || true ;;
    esac
  elif [[ $word == -* ]]; then
    case $command in
      run | simulate | train | evaluate | report) mapfile -t found < <(compgen -W "$stages --help -h" -- "$word") ;;
      config) mapfile -t found < <(compgen -W "--set --reference --help -h" -- "$word") ;;
      *) mapfile -t found < <(compgen -W "--help -h" -- "$word") ;;
    esac
  else
    compopt -o filenames 2>/dev/null || true  # outside of a completion, as in a test, there is nothing to set
    case $command in
      run | simulate | train | evaluate | report | config) mapfile -t found < <(_weft_configs "$word") ;;
      inspect) mapfile -t found < <(compgen -f -- "$word") ;;
    esac
  fi
  COMPREPLY=("${found[@]}")
}

complete -F _weft weft
