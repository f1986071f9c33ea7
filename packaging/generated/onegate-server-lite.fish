# fish completion for onegate-server-lite; generated from its tables of commands and options.

function __onegate_server_lite_words
    set -l words (commandline -opc)
    set -e words[1]
    while set -q words[1]
        switch $words[1]
            case --listen --cloud --state --config --tls-cert --tls-key --auth-file --vm-step --cooldown --flow-interval --vm-exec --vm-grace --endpoint --admin --page --log --out --like --timeout
                set -e words[1]
            case '-*'
            case '*'
                echo $words[1]
        end
        set -e words[1]
    end
end

function __onegate_server_lite_is
    set -l words (__onegate_server_lite_words)
    test "$words" = "$argv"
end

function __onegate_server_lite_runs
    set -l words (__onegate_server_lite_words)
    test "$words[1..$(count $argv)]" = "$argv"; and not __onegate_server_lite_has_program
end

# Has the program that --exec runs been typed?
function __onegate_server_lite_has_program
    set -l words (commandline -opc)
    set -l at (contains -i -- --exec $words); and test $at -lt (count $words)
end

complete -c onegate-server-lite -f
complete -c onegate-server-lite -n '__onegate_server_lite_is' -l state -x -a '(__fish_complete_directories)' -d 'Where every change is kept, and read from at the next start [memory]'
complete -c onegate-server-lite -n '__onegate_server_lite_is' -a serve
complete -c onegate-server-lite -n '__onegate_server_lite_is' -a check
complete -c onegate-server-lite -n '__onegate_server_lite_is' -a token
complete -c onegate-server-lite -n '__onegate_server_lite_is' -a context
complete -c onegate-server-lite -n '__onegate_server_lite_is' -a service
complete -c onegate-server-lite -n '__onegate_server_lite_is service' -a show -d 'Shows a service\'s nodes, policies and last decisions, with their reasons'
complete -c onegate-server-lite -n '__onegate_server_lite_is service' -a recover -d 'Tries again what failed in a service, as \'oneflow recover\' does; its server may run'
complete -c onegate-server-lite -n '__onegate_server_lite_is' -a state
complete -c onegate-server-lite -n '__onegate_server_lite_is state' -a export -d 'Prints the state as a scenario, for a backup; its server may run'
complete -c onegate-server-lite -n '__onegate_server_lite_is state' -a import -d 'Replaces the state by a scenario, such as a backup; its server may run'
complete -c onegate-server-lite -n '__onegate_server_lite_is' -a vm
complete -c onegate-server-lite -n '__onegate_server_lite_is vm' -a set -d 'Sets attributes of a VM, as if its owner did'
complete -c onegate-server-lite -n '__onegate_server_lite_is vm' -a fail -d 'Makes a VM fail, on its way to another state or while it runs'
complete -c onegate-server-lite -n '__onegate_server_lite_is vm' -a poweroff -d 'Powers a VM off, as if its guest had shut down'
complete -c onegate-server-lite -n '__onegate_server_lite_is vm' -a lose -d 'Makes a VM UNKNOWN, as if its host had lost it; its guest may go on'
complete -c onegate-server-lite -n '__onegate_server_lite_is vm' -a create -d 'Makes a VM like another one, in no service, and prints its id'
complete -c onegate-server-lite -n '__onegate_server_lite_is' -a gate
complete -c onegate-server-lite -n '__onegate_server_lite_is' -a clock
complete -c onegate-server-lite -n '__onegate_server_lite_is' -a events
complete -c onegate-server-lite -n '__onegate_server_lite_is' -a wait
complete -c onegate-server-lite -n '__onegate_server_lite_is wait' -a vm -d 'Waits until a VM meets the conditions: STATE=RUNNING, READY!=NO'
complete -c onegate-server-lite -n '__onegate_server_lite_is wait' -a service -d 'Waits until a service meets the conditions: STATE=RUNNING, web.CARDINALITY=3, web.RUNNING=3'
complete -c onegate-server-lite -n '__onegate_server_lite_runs serve' -l listen -x -d 'Where to listen [127.0.0.1:5030, or :host and :port of --config]; port 0 picks one'
complete -c onegate-server-lite -n '__onegate_server_lite_runs serve' -l cloud -r -F -d 'The cloud, as JSON: {users, vms, vrouters, vnets, services} [the documentation\'s PANACEA service]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs serve' -l state -x -a '(__fish_complete_directories)' -d 'Where every change is kept, and read from at the next start [memory]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs serve' -l config -r -F -d 'OpenNebula\'s onegate-server.conf: permissions, restricted attributes and actions, …'
complete -c onegate-server-lite -n '__onegate_server_lite_runs serve' -l tls-cert -r -F -d 'Serve TLS with this certificate chain (PEM); read again on SIGHUP'
complete -c onegate-server-lite -n '__onegate_server_lite_runs serve' -l tls-key -r -F -d 'The certificate\'s private key (PEM)'
complete -c onegate-server-lite -n '__onegate_server_lite_runs serve' -l opennebula -d 'Stand in front of a real OpenNebula, in place of --cloud and --state'
complete -c onegate-server-lite -n '__onegate_server_lite_runs serve' -l auth-file -r -F -d 'serveradmin\'s name and password, with --opennebula [/var/lib/one/.one/onegate_auth]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs serve' -l vm-step -x -d 'How long a VM takes for each step from one state to the next [300ms]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs serve' -l cooldown -x -d 'A service\'s cooldown after scaling, where its roles and policies say nothing [2s]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs serve' -l flow-interval -x -d 'How often elasticity policies are evaluated [10s]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs serve' -l vm-exec -x -d 'Run this, with its arguments, for each VM that is ACTIVE, in DIR/vms/ID of --state'
complete -c onegate-server-lite -n '__onegate_server_lite_runs serve' -l vm-grace -x -d 'How long a VM\'s process has to end after SIGTERM, before SIGKILL [10s]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs serve' -l endpoint -x -d 'ONEGATE_ENDPOINT of a context [the VM\'s record\'s; in serve what is listened on, and port 0 is its port]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs serve' -l admin -x -d 'Where to answer /healthz, /readyz and /metrics; not where guests are answered [nowhere]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs serve' -l page -x -d 'Where to show a page to watch the cloud on; a port alone is on 127.0.0.1 [nowhere]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs serve' -l log -x -d 'How log lines are written: text or json [text; with priorities for systemd\'s journal]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs check' -l listen -x -d 'Where to listen [127.0.0.1:5030, or :host and :port of --config]; port 0 picks one'
complete -c onegate-server-lite -n '__onegate_server_lite_runs check' -l cloud -r -F -d 'The cloud, as JSON: {users, vms, vrouters, vnets, services} [the documentation\'s PANACEA service]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs check' -l state -x -a '(__fish_complete_directories)' -d 'Where every change is kept, and read from at the next start [memory]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs check' -l config -r -F -d 'OpenNebula\'s onegate-server.conf: permissions, restricted attributes and actions, …'
complete -c onegate-server-lite -n '__onegate_server_lite_runs check' -l tls-cert -r -F -d 'Serve TLS with this certificate chain (PEM); read again on SIGHUP'
complete -c onegate-server-lite -n '__onegate_server_lite_runs check' -l tls-key -r -F -d 'The certificate\'s private key (PEM)'
complete -c onegate-server-lite -n '__onegate_server_lite_runs check' -l opennebula -d 'Stand in front of a real OpenNebula, in place of --cloud and --state'
complete -c onegate-server-lite -n '__onegate_server_lite_runs check' -l auth-file -r -F -d 'serveradmin\'s name and password, with --opennebula [/var/lib/one/.one/onegate_auth]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs check' -l vm-step -x -d 'How long a VM takes for each step from one state to the next [300ms]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs check' -l cooldown -x -d 'A service\'s cooldown after scaling, where its roles and policies say nothing [2s]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs check' -l flow-interval -x -d 'How often elasticity policies are evaluated [10s]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs check' -l vm-exec -x -d 'Run this, with its arguments, for each VM that is ACTIVE, in DIR/vms/ID of --state'
complete -c onegate-server-lite -n '__onegate_server_lite_runs check' -l vm-grace -x -d 'How long a VM\'s process has to end after SIGTERM, before SIGKILL [10s]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs check' -l endpoint -x -d 'ONEGATE_ENDPOINT of a context [the VM\'s record\'s; in serve what is listened on, and port 0 is its port]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs check' -l admin -x -d 'Where to answer /healthz, /readyz and /metrics; not where guests are answered [nowhere]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs check' -l page -x -d 'Where to show a page to watch the cloud on; a port alone is on 127.0.0.1 [nowhere]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs check' -l log -x -d 'How log lines are written: text or json [text; with priorities for systemd\'s journal]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs token' -l cloud -r -F -d 'The cloud, as JSON: {users, vms, vrouters, vnets, services} [the documentation\'s PANACEA service]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs token' -l state -x -a '(__fish_complete_directories)' -d 'Where every change is kept, and read from at the next start [memory]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs context' -l cloud -r -F -d 'The cloud, as JSON: {users, vms, vrouters, vnets, services} [the documentation\'s PANACEA service]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs context' -l state -x -a '(__fish_complete_directories)' -d 'Where every change is kept, and read from at the next start [memory]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs context' -l out -x -a '(__fish_complete_directories)' -d 'Where to write the two files; made if it is missing'
complete -c onegate-server-lite -n '__onegate_server_lite_runs context' -l export -d 'Print the lines by which a shell exports the endpoint, the VM\'s id and its token'
complete -c onegate-server-lite -n '__onegate_server_lite_runs context' -l endpoint -x -d 'ONEGATE_ENDPOINT of a context [the VM\'s record\'s; in serve what is listened on, and port 0 is its port]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs service show' -l state -x -a '(__fish_complete_directories)' -d 'Where every change is kept, and read from at the next start [memory]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs service show' -l json -d 'Print JSON: of a service with times in seconds, of events one object a line'
complete -c onegate-server-lite -n '__onegate_server_lite_runs service recover' -l state -x -a '(__fish_complete_directories)' -d 'Where every change is kept, and read from at the next start [memory]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs state export' -l state -x -a '(__fish_complete_directories)' -d 'Where every change is kept, and read from at the next start [memory]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs state export' -l salvage -d 'Print what can still be read of a damaged state, and say what is lost'
complete -c onegate-server-lite -n '__onegate_server_lite_runs state import' -l cloud -r -F -d 'The cloud, as JSON: {users, vms, vrouters, vnets, services} [the documentation\'s PANACEA service]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs state import' -l state -x -a '(__fish_complete_directories)' -d 'Where every change is kept, and read from at the next start [memory]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs vm set' -l state -x -a '(__fish_complete_directories)' -d 'Where every change is kept, and read from at the next start [memory]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs vm fail' -l state -x -a '(__fish_complete_directories)' -d 'Where every change is kept, and read from at the next start [memory]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs vm poweroff' -l state -x -a '(__fish_complete_directories)' -d 'Where every change is kept, and read from at the next start [memory]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs vm lose' -l state -x -a '(__fish_complete_directories)' -d 'Where every change is kept, and read from at the next start [memory]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs vm create' -l state -x -a '(__fish_complete_directories)' -d 'Where every change is kept, and read from at the next start [memory]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs vm create' -l like -x -d 'The VM that the new one is to be like'
complete -c onegate-server-lite -n '__onegate_server_lite_runs gate' -l state -x -a '(__fish_complete_directories)' -d 'Where every change is kept, and read from at the next start [memory]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs clock' -l state -x -a '(__fish_complete_directories)' -d 'Where every change is kept, and read from at the next start [memory]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs events' -l state -x -a '(__fish_complete_directories)' -d 'Where every change is kept, and read from at the next start [memory]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs events' -l json -d 'Print JSON: of a service with times in seconds, of events one object a line'
complete -c onegate-server-lite -n '__onegate_server_lite_runs events' -l follow -d 'Go on with what happens from now on, until the server ends'
complete -c onegate-server-lite -n '__onegate_server_lite_runs wait vm' -l state -x -a '(__fish_complete_directories)' -d 'Where every change is kept, and read from at the next start [memory]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs wait vm' -l timeout -x -d 'How long to wait; when it is over the exit code is 124 [60s]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs wait service' -l state -x -a '(__fish_complete_directories)' -d 'Where every change is kept, and read from at the next start [memory]'
complete -c onegate-server-lite -n '__onegate_server_lite_runs wait service' -l timeout -x -d 'How long to wait; when it is over the exit code is 124 [60s]'
