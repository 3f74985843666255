#!/usr/bin/env bash
# The ways in which tonnage reaches its users: a wheel in a fresh virtual environment, a static binary on an empty root,
# a container, and the check of `cargo publish`. Each runs the first command of the README. Two release builds: 10 to 20
# minutes. TONNAGE_PACKAGES='wheel static container crate' chooses.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
kept=${TONNAGE_REAL:-/tmp/tonnage-real}
mkdir -p "$kept"
chosen=${TONNAGE_PACKAGES:-wheel static container crate}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
status=0

# said NAME COMMAND…: runs the first command of the README by COMMAND, and looks for its answer.
said() {
    local name=$1
    shift
    if "$@" run --quiet --json >"$place/$name.json" 2>"$place/$name.err" \
        && python3 -c "import json,sys; r=json.load(open(sys.argv[1])); t=r['trials'][0]; c=t['requests']; \
assert c['planned']==c['completed']>100, c; print(t['verdict']['result'], c['completed'], 'requests')" "$place/$name.json"; then
        echo "$name: ok"
    else
        echo "$name: FAILED"
        tail -5 "$place/$name.err"
        status=1
    fi
}

target=x86_64-unknown-linux-musl
static=${CARGO_TARGET_DIR:-$root/target}/$target/release

# The static binary, for those that need it.
build_static() {
    command -v musl-gcc >/dev/null || apt-get install -y musl-tools >/dev/null
    rustup target list --installed | grep -q $target || rustup target add $target
    (cd "$root" && cargo build --locked --release --target $target)
}

cd "$place"
for package in $chosen; do
    case $package in
    wheel)
        [ -x "$kept/maturin/bin/maturin" ] || { python3 -m venv "$kept/maturin" && "$kept/maturin/bin/pip" -q install 'maturin>=1.9,<2'; }
        (cd "$root/.packages" && "$kept/maturin/bin/maturin" build --release --locked --out "$place/wheels")
        python3 -m venv "$place/fresh"
        "$place/fresh/bin/pip" -q install --no-index "$place"/wheels/*.whl
        ls -l "$place"/wheels/*.whl
        said wheel "$place/fresh/bin/tonnage"
        ;;
    static)
        build_static
        # `ldd` ends with an error for a static binary, and says so.
        ldd "$static/tonnage" 2>&1 | grep -Eq 'statically linked|not a dynamic executable' || { echo 'static: FAILED: ldd finds libraries'; status=1; }
        mkdir "$place/empty"
        cp "$static/tonnage" "$place/empty/"
        ls -l "$place/empty/tonnage"
        said static chroot "$place/empty" /tonnage
        ;;
    container)
        build_static
        command -v podman >/dev/null || apt-get install -y podman >/dev/null
        if podman info >/dev/null 2>&1; then
            podman build -q -t tonnage -f "$root/.packages/Containerfile" "$static"
            if ! podman run --rm tonnage --version; then
                echo 'container: built; podman cannot run one here'
                continue
            fi
            said container podman run --rm --tmpfs /results:rw,mode=1777 tonnage
        else
            echo "container: skipped, podman does not work here: $(podman info 2>&1 | tail -1)"
        fi
        ;;
    crate)
        (cd "$root" && cargo publish --dry-run --locked --no-verify --allow-dirty) && echo 'crate: ok' || { echo 'crate: FAILED'; status=1; }
        ;;
    *)
        echo "no package $package"
        status=1
        ;;
    esac
done
exit $status
