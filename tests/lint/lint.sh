#!/bin/sh
# Rules about the house that the compiler does not know. lint.sh SOURCE_ROOT
set -eu
cd "$1"
bad=0

complain() {
	echo "lint: $1" >&2
	echo "$2" >&2
	bad=1
}

# only PATTERN FLOOR: a library belongs to one floor.
only() {
	found=$(grep -rnE "#include <($1)" src include --include='*.[ch]' |
		grep -vE "^(src/$2/|include/mountmail/$2/)" || true)
	[ -z "$found" ] || complain "<$1 is for the $2 floor alone:" "$found"
}
only 'sqlite3' store
only 'libetpan' wire
only 'openssl' wire
only 'fuse' fs
only 'seccomp' app
only 'ini\.h' app
only 'linux/landlock' app

found=$(grep -rnE '\b(TODO|FIXME|XXX)\b' src include contrib tests --include='*.[chs]*' --exclude=lint.sh || true)
[ -z "$found" ] || complain "unfinished work:" "$found"

found=$(for h in $(find include src -name '*.h'); do
	head -1 "$h" | grep -q '^/\*' || echo "$h"
done)
[ -z "$found" ] || complain "headers that do not open by saying what they are:" "$found"

found=$(find src include -name '*.[ch]' -exec wc -l {} + | awk '$2 != "total" && $1 > 500 { print $1, $2 }')
[ -z "$found" ] || complain "files too long for one room (500 lines):" "$found"

# The floors see only what is below them because of their include paths; a path that climbs out of a
# floor would go round that.
found=$(grep -rnE '#include "\.\./' src || true)
[ -z "$found" ] || complain "an include that leaves its floor:" "$found"

exit $bad
