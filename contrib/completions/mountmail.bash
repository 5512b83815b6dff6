# Completion of mountmail(1) for bash.

_mountmail_mounts() {
	# Blanks in a mountpoint are \040 in this file.
	awk '$3 == "fuse.mountmail" { gsub(/\\040/, " ", $2); print $2 }' /proc/mounts 2>/dev/null
}

_mountmail_accounts() {
	sed -n 's/^[[:blank:]]*\[\(.*\)\][[:blank:]]*$/\1/p' \
		"${XDG_CONFIG_HOME:-$HOME/.config}/mountmail/config" 2>/dev/null
}

# _mountmail_words WORD: takes candidates, one a line, from standard input.
_mountmail_words() {
	local IFS=$'\n' line
	COMPREPLY=()
	while read -r line; do
		[[ $line == "$1"* ]] && COMPREPLY+=("$(printf '%q' "$line")")
	done
}

# The last item of a -o list: OPTION,OPTION=VALUE
_mountmail_option() {
	local before= item=$1 options='passfile= passcmd= cafile= tls= cache= state= cachesize= folders=
		exclude= trash= brake= connections= poll= timeout= allow_other uid= gid= umask= debug ro'
	if [[ $item == *,* ]]; then
		before=${item%,*},
		item=${item##*,}
	fi
	compopt -o nospace
	case $item in
	trash=*) COMPREPLY=($(compgen -P "${before}trash=" -W 'auto none' -- "${item#*=}")) ;;
	tls=*) COMPREPLY=($(compgen -P "${before}tls=" -W 'implicit starttls none' -- "${item#*=}")) ;;
	passfile=* | cafile=*) COMPREPLY=($(compgen -P "$before${item%%=*}=" -f -- "${item#*=}")) ;;
	cache=* | state=*) COMPREPLY=($(compgen -P "$before${item%%=*}=" -d -- "${item#*=}")) ;;
	*=*) ;;
	*) COMPREPLY=($(compgen -P "$before" -W "$options" -- "$item")) ;;
	esac
	# What stands before a '=' is a word of its own for readline.
	local word=${COMP_WORDS[COMP_CWORD]} whole=$1 i
	[[ $word != '=' ]] || word=
	for i in "${!COMPREPLY[@]}"; do
		COMPREPLY[i]=${COMPREPLY[i]#"${whole%"$word"}"}
	done
}

_mountmail() {
	local word=${COMP_WORDS[COMP_CWORD]} line=${COMP_LINE:0:COMP_POINT} parts
	COMPREPLY=()
	# Not by COMP_WORDS, where a '=' ends a word.
	read -ra parts <<<"$line."
	if ((${#parts[@]} > 2)) && [[ ${parts[-2]} == -o ]]; then
		_mountmail_option "${parts[-1]%.}"
		return
	fi
	case ${COMP_WORDS[1]} in
	status | refresh | queue | flush | umount)
		if ((COMP_CWORD > 1)); then
			case ${COMP_WORDS[1]}:$word in
			status:-*) COMPREPLY=($(compgen -W '--json --help' -- "$word")) ;;
			queue:-*) COMPREPLY=($(compgen -W '--json --undo --release --discard --help' -- "$word")) ;;
			flush:-*) COMPREPLY=($(compgen -W '--timeout --help' -- "$word")) ;;
			umount:-*) COMPREPLY=($(compgen -W '--force --timeout --help' -- "$word")) ;;
			refresh:-*) COMPREPLY=($(compgen -W '--help' -- "$word")) ;;
			refresh:*/*)
				compopt -o filenames
				_mountmail_words "$word" < <(compgen -d -- "$word")
				;;
			*)
				compopt -o filenames
				_mountmail_words "$word" < <(_mountmail_mounts)
				;;
			esac
			return
		fi
		;;
	esac
	case $word in
	-*) COMPREPLY=($(compgen -W '-f -d -o --help --version' -- "$word")) ;;
	*)
		if ((COMP_CWORD == 1)); then
			_mountmail_words "$word" < <(printf '%s\n' status refresh queue flush umount && _mountmail_accounts)
		else
			compopt -o filenames
			_mountmail_words "$word" < <(_mountmail_accounts && compgen -d -- "$word")
		fi
		;;
	esac
}

complete -F _mountmail mountmail
