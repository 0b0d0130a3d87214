#!/usr/bin/env bash
# The manual page and the completion, held together with what the program says:  manual_test.sh SOURCE BUILD
set -euo pipefail

source_root=$1 build=$2
page=$source_root/docs/weft.1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
complain() {
  echo "manual_test: $1" >&2
  failed=1
}

# shellcheck source=../../deploy/completion/weft.bash
source "$source_root/deploy/completion/weft.bash"
PATH=$build:$PATH
offered() {  # WORDS...: what completes the last of them
  COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
  set +e
  _weft
  set -e
  printf '%s\n' "${COMPREPLY[@]}"
}
expect_offer() {  # OFFER WORDS...
  offered "${@:2}" >"$work/offered"
  grep -qxF -e "$1" "$work/offered" || complain "'${*:2}' is not completed by '$1' but by: $(tr '\n' ' ' <"$work/offered")"
}

manual=$(sed 's/\\-/-/g' "$page")
in_manual() { grep -qE -e "(^|[^a-z-])$1([^a-z-]|\$)" <<<"$manual" || complain "docs/weft.1 does not have $1"; }

mapfile -t commands < <("$build/weft" --help | sed -n '/^Subcommands:/,/^$/s/^  \([a-z]\+\) .*/\1/p')
[ "${#commands[@]}" -ge 7 ] || complain "weft --help lists ${#commands[@]} commands; 7 or more were expected"
for command in "" "${commands[@]}"; do
  if [ -n "$command" ]; then
    expect_offer "$command" weft ""
    grep -qE "^\.BI $command " <<<"$manual" || complain "docs/weft.1 does not have the command $command"
  fi
  help=$("$build/weft" ${command:+"$command"} --help)
  for option in $(sed -n '/^Options:/,/^$/s/^  \(-[a-zA-Z,-]*\).*/\1/p' <<<"$help" | tr ',' ' '); do
    in_manual "$option"
    expect_offer "$option" weft ${command:+"$command"} -
  done
  # Options of a few words: --redo STAGE:{evaluate,report,simulate,train}
  while read -r option words; do
    for word in ${words//,/ }; do
      expect_offer "$word" weft "$command" "$option" ""
      in_manual "$word"
    done
  done < <(sed -n 's/^  \(--[a-z-]*\) [A-Z]*:{\(.*\)}.*/\1 \2/p' <<<"$help")
done
for code in 0 1 2 75; do
  grep -qxF ".B $code" <<<"$manual" || complain "docs/weft.1 does not have the exit code $code"
done

cd "$source_root"
expect_offer configs/tiny.yaml weft run configs/t
expect_offer simulation.frames= weft run configs/tiny.yaml --set simulation.f
expect_offer configs weft inspect conf
[ -z "$(offered weft run --output /nowhere/)" ] || complain "a folder that is not there is offered"
mkdir -p "$work/installed/bin" "$work/installed/share/weft/configs"
ln "$build/weft" "$work/installed/bin/weft" 2>/dev/null || cp "$build/weft" "$work/installed/bin/weft"
cp configs/quickstart.yaml "$work/installed/share/weft/configs/"
hash -r
PATH=$work/installed/bin:$PATH expect_offer "$work/installed/share/weft/configs/quickstart.yaml" weft run ""

if command -v man >/dev/null; then
  said=$(man --warnings --local-file "$page" 2>&1 >/dev/null)
elif command -v groff >/dev/null; then
  said=$(groff -man -ww -Tutf8 "$page" 2>&1 >/dev/null)
else
  said=""
  echo "manual_test: neither man nor groff is here; how docs/weft.1 is set was not tested"
fi
[ -z "$said" ] || complain "docs/weft.1: $said"
[ "$failed" -eq 0 ] || exit 1
echo "manual_test: done"
