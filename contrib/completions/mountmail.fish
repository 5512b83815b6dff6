# Completion of mountmail(1) for fish.

function __mountmail_mounts
    string match -r '.* fuse\.mountmail .*' </proc/mounts | string split -f 2 ' ' | string replace -a '\040' ' '
end

function __mountmail_accounts
    set -l config $HOME/.config
    test -n "$XDG_CONFIG_HOME"; and set config $XDG_CONFIG_HOME
    test -r $config/mountmail/config; and string match -rg '^\s*\[(.*)\]\s*$' <$config/mountmail/config
end

function __mountmail_no_command
    not __fish_seen_subcommand_from status refresh queue flush umount
end

# The items of a -o list, the last one open.
function __mountmail_options
    set -l before (string match -r '.*,' -- (commandline -ct))
    for option in passfile= passcmd= cafile= tls=implicit tls=starttls tls=none cache= state= cachesize= \
            folders= exclude= trash=auto trash=none brake= connections= poll= timeout= allow_other uid= gid= umask= debug ro
        echo "$before$option"
    end
end

complete -c mountmail -f
complete -c mountmail -n __fish_use_subcommand -a status -d 'Show connection, folders and cache of a mount'
complete -c mountmail -n __fish_use_subcommand -a refresh -d 'Look at the server now'
complete -c mountmail -n __fish_use_subcommand -a queue -d 'Removals that the server does not have'
complete -c mountmail -n __fish_use_subcommand -a flush -d 'Wait until the server has all removals'
complete -c mountmail -n __fish_use_subcommand -a umount -d Unmount
complete -c mountmail -n __mountmail_no_command -a '(__mountmail_accounts)' -d Account
complete -c mountmail -n __mountmail_no_command -a '(__fish_complete_directories)'
complete -c mountmail -n __mountmail_no_command -s f -d 'Stay in the foreground'
complete -c mountmail -n __mountmail_no_command -s d -d 'Stay in the foreground and log every request'
complete -c mountmail -n __mountmail_no_command -s o -x -a '(__mountmail_options)' -d Options
complete -c mountmail -l help -d 'List options and commands'
complete -c mountmail -l version -d 'Print the version'
complete -c mountmail -n '__fish_seen_subcommand_from status refresh queue flush umount' -a '(__mountmail_mounts)'
complete -c mountmail -n '__fish_seen_subcommand_from refresh' -a '(__fish_complete_directories)'
complete -c mountmail -n '__fish_seen_subcommand_from status queue' -l json -d 'For programs'
complete -c mountmail -n '__fish_seen_subcommand_from queue' -l undo -x -a all -d 'Bring back'
complete -c mountmail -n '__fish_seen_subcommand_from queue' -l release -d 'Send what is held back'
complete -c mountmail -n '__fish_seen_subcommand_from queue' -l discard -x -a all -d 'Forget what was not carried out'
complete -c mountmail -n '__fish_seen_subcommand_from flush umount' -l timeout -x -d 'Seconds to wait for the server'
complete -c mountmail -n '__fish_seen_subcommand_from umount' -l force -d 'Also while files are in use'
