#!/usr/bin/env bash
# The HTML pages in a real browser (Debian's chromium): axe-core finds no violation in any page, language, width and
# colour scheme; no page asks for anything but itself; no page scrolls sideways at 400 px; every page is under 400 kB.
# Screenshots and PDFs are kept in $TONNAGE_SHOTS, to be looked at. axe-core and puppeteer-core come from npm.
. "$(dirname "$0")/common.sh"
debian chromium chromium
debian npm npm
# Without a font the Chinese pages are boxes on the screenshots.
[ -n "$(fc-list :lang=zh)" ] || debian no-such-program fonts-wqy-microhei
shots=${TONNAGE_SHOTS:-$kept/shots}
mkdir -p "$shots" "$kept/npm"
[ -d "$kept/npm/node_modules/axe-core" ] ||
    npm install --silent --no-audit --no-fund --prefix "$kept/npm" axe-core@4 puppeteer-core@24

cd "$place"
quiet=(--quiet --seed 7)
slo=(--slo 'p99 ttft<=400ms' --slo 'p99 tpot<=50ms')
# 0: done; 1: an objective is missed; 4: inconclusive. All of them have a page.
page() {
    local code=0
    "$TONNAGE" "$@" "${quiet[@]}" || code=$?
    case $code in 0 | 1 | 4) ;; *) echo "$*: exit code $code" && exit 1 ;; esac
}
page run --rate 20/s --duration 20s "${slo[@]}" --out run
page run --profile 'constant 10/s 8s; constant 150/s 6s; constant 10/s 10s' "${slo[@]}" --timeout 3s --out spike
page run --rate 20/s --duration 15s --out mix --mix "{chat: {weight: 70, input-tokens: 128, output-tokens: 32,
    slo: [p90 ttft<=500ms]}, batch: {weight: 30, input-tokens: 512, output-tokens: 64, slo: [p90 e2e<=10s]}}"
page sweep --rates 5,10,20,30,40,60 --duration 6s "${slo[@]}" --metadata gpus=2 --out sweep
mkdir pages
page search --slo 'p99 ttft<=500ms' --precision 20% --budget 60s --out search
cat >batch.yaml <<'YAML'
base: {duration: 2s, slo: [p90 ttft<=300ms, p90 tpot<=40ms]}
models: [{name: small, sim: small}, {name: 8b, sim: 8b-h100}]
lengths: [[64, 16], [256, 32], [512, 64]]
loads: [5/s, 20/s, 60/s, concurrent:16]
cells: [{match: {models: 8b, lengths: [512, 64], loads: 60/s}, set: {target: 'http://127.0.0.1:9'}}]
YAML
"$TONNAGE" batch batch.yaml --out batch --quiet || [ $? = 3 ]
for lang in en zh; do
    "$TONNAGE" aggregate batch --to html --lang "$lang" --out "pages/$lang-index" 2>"$place/report.log"
    mv "pages/$lang-index/index.html" "pages/$lang-index.html"
    for of in run spike mix sweep search; do
        "$TONNAGE" report "$of" --to html --lang "$lang" --out "pages/$lang-$of" 2>"$place/report.log"
        mv "pages/$lang-$of/report.html" "pages/$lang-$of.html"
    done
    "$TONNAGE" compare run spike --to html --lang "$lang" >"pages/$lang-compare.html"
    "$TONNAGE" size search --profile 'ramp 10/s..80/s 10m' --price 2.5/h --check small --slo 'p99 ttft<=500ms' --to html --lang "$lang" \
        >"pages/$lang-size.html" 2>"$place/size.log" ||
        "$TONNAGE" size --replica-rate 4.43/s --profile 'ramp 10/s..80/s 10m' --price 2.5/h --to html --lang "$lang" >"pages/$lang-size.html"
done
NODE_PATH=$kept/npm/node_modules node "$here/pages.js" "$place/pages" "$shots"
