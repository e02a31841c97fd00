# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_barn_global_optspecs
    string join \n store= q/quiet v/verbose color= report= timing label= h/help V/version
end

function __fish_barn_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_barn_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_barn_using_subcommand
    set -l cmd (__fish_barn_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c barn -n "__fish_barn_needs_command" -l store -d 'Folder of the store' -r -F
complete -c barn -n "__fish_barn_needs_command" -l color -d 'When to use colors' -r -f -a "auto\t''
always\t''
never\t''"
complete -c barn -n "__fish_barn_needs_command" -l report -d 'Write what was done, as JSON, to a file' -r -F
complete -c barn -n "__fish_barn_needs_command" -l label -d 'Name the group of runs that this one belongs to, for `barn runs compare`' -r
complete -c barn -n "__fish_barn_needs_command" -s q -l quiet -d 'Say nothing but errors'
complete -c barn -n "__fish_barn_needs_command" -s v -l verbose -d 'Say more'
complete -c barn -n "__fish_barn_needs_command" -l timing -d 'Print how long each part took, and what the command used'
complete -c barn -n "__fish_barn_needs_command" -s h -l help -d 'Print help'
complete -c barn -n "__fish_barn_needs_command" -s V -l version -d 'Print version'
complete -c barn -n "__fish_barn_needs_command" -f -a "demo" -d 'Show what barn does, without a network, a key or a configuration'
complete -c barn -n "__fish_barn_needs_command" -f -a "fetch" -d 'Fetch history from a provider into the store'
complete -c barn -n "__fish_barn_needs_command" -f -a "source" -d 'List, show, check, test and write definitions of sources'
complete -c barn -n "__fish_barn_needs_command" -f -a "store" -d 'Store files or a stream in a table'
complete -c barn -n "__fish_barn_needs_command" -f -a "compress" -d 'Compress history of the store into Parquet, or any file'
complete -c barn -n "__fish_barn_needs_command" -f -a "query" -d 'Ask SQL of the store'
complete -c barn -n "__fish_barn_needs_command" -f -a "optimize" -d 'Keep the store sound, small and fast'
complete -c barn -n "__fish_barn_needs_command" -f -a "delete" -d 'Take rows out of a table, in the database and in the archive'
complete -c barn -n "__fish_barn_needs_command" -f -a "info" -d 'Show what the store has'
complete -c barn -n "__fish_barn_needs_command" -f -a "runs" -d 'List, show, compare, check and export what commands did'
complete -c barn -n "__fish_barn_needs_command" -f -a "completions" -d 'Print the completions of a shell, or the man page'
complete -c barn -n "__fish_barn_using_subcommand demo" -l store -d 'Folder of the store' -r -F
complete -c barn -n "__fish_barn_using_subcommand demo" -l color -d 'When to use colors' -r -f -a "auto\t''
always\t''
never\t''"
complete -c barn -n "__fish_barn_using_subcommand demo" -l report -d 'Write what was done, as JSON, to a file' -r -F
complete -c barn -n "__fish_barn_using_subcommand demo" -l label -d 'Name the group of runs that this one belongs to, for `barn runs compare`' -r
complete -c barn -n "__fish_barn_using_subcommand demo" -s q -l quiet -d 'Say nothing but errors'
complete -c barn -n "__fish_barn_using_subcommand demo" -s v -l verbose -d 'Say more'
complete -c barn -n "__fish_barn_using_subcommand demo" -l timing -d 'Print how long each part took, and what the command used'
complete -c barn -n "__fish_barn_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c barn -n "__fish_barn_using_subcommand fetch" -s t -l timeframe -l interval -d 'Length of a bar, such as 1m, 1h or 1d' -r
complete -c barn -n "__fish_barn_using_subcommand fetch" -l since -d 'Start: 2024-01-31, 2024-01-31T09:30:00Z, -30d [default: behind the last final row]' -r
complete -c barn -n "__fish_barn_using_subcommand fetch" -l until -d 'End, not included [default: now]' -r
complete -c barn -n "__fish_barn_using_subcommand fetch" -l table -d 'Table, where the source fills several' -r
complete -c barn -n "__fish_barn_using_subcommand fetch" -l set -d 'Change an option of the source, as `barn source check` lists them' -r
complete -c barn -n "__fish_barn_using_subcommand fetch" -l retry-failed -d 'Fetch what failed in an earlier run, from its report' -r -F
complete -c barn -n "__fish_barn_using_subcommand fetch" -l jobs -d 'Requests at once at most [default: twice the cores, at least 8]' -r
complete -c barn -n "__fish_barn_using_subcommand fetch" -l every -d 'Go on fetching, a round each 30s, 5m or 1h of the clock, until Ctrl-C or SIGTERM' -r
complete -c barn -n "__fish_barn_using_subcommand fetch" -l record -d 'Save each answer, without secrets, as a file in a folder' -r -F
complete -c barn -n "__fish_barn_using_subcommand fetch" -l replay -d 'Take the answers from files that --record saved' -r -F
complete -c barn -n "__fish_barn_using_subcommand fetch" -l store -d 'Folder of the store' -r -F
complete -c barn -n "__fish_barn_using_subcommand fetch" -l color -d 'When to use colors' -r -f -a "auto\t''
always\t''
never\t''"
complete -c barn -n "__fish_barn_using_subcommand fetch" -l report -d 'Write what was done, as JSON, to a file' -r -F
complete -c barn -n "__fish_barn_using_subcommand fetch" -l label -d 'Name the group of runs that this one belongs to, for `barn runs compare`' -r
complete -c barn -n "__fish_barn_using_subcommand fetch" -l refresh -d 'Ask again what the store and the cache have'
complete -c barn -n "__fish_barn_using_subcommand fetch" -l offline -d 'Make no request; only answers in the cache are used'
complete -c barn -n "__fish_barn_using_subcommand fetch" -l dry-run -d 'Say what would be asked, and ask nothing'
complete -c barn -n "__fish_barn_using_subcommand fetch" -l wait-lock -d 'Wait while another fetch from this source runs'
complete -c barn -n "__fish_barn_using_subcommand fetch" -l skip-if-running -d 'Do nothing if another fetch from this source runs'
complete -c barn -n "__fish_barn_using_subcommand fetch" -s q -l quiet -d 'Say nothing but errors'
complete -c barn -n "__fish_barn_using_subcommand fetch" -s v -l verbose -d 'Say more'
complete -c barn -n "__fish_barn_using_subcommand fetch" -l timing -d 'Print how long each part took, and what the command used'
complete -c barn -n "__fish_barn_using_subcommand fetch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c barn -n "__fish_barn_using_subcommand source; and not __fish_seen_subcommand_from list show check test new" -l store -d 'Folder of the store' -r -F
complete -c barn -n "__fish_barn_using_subcommand source; and not __fish_seen_subcommand_from list show check test new" -l color -d 'When to use colors' -r -f -a "auto\t''
always\t''
never\t''"
complete -c barn -n "__fish_barn_using_subcommand source; and not __fish_seen_subcommand_from list show check test new" -l report -d 'Write what was done, as JSON, to a file' -r -F
complete -c barn -n "__fish_barn_using_subcommand source; and not __fish_seen_subcommand_from list show check test new" -l label -d 'Name the group of runs that this one belongs to, for `barn runs compare`' -r
complete -c barn -n "__fish_barn_using_subcommand source; and not __fish_seen_subcommand_from list show check test new" -s q -l quiet -d 'Say nothing but errors'
complete -c barn -n "__fish_barn_using_subcommand source; and not __fish_seen_subcommand_from list show check test new" -s v -l verbose -d 'Say more'
complete -c barn -n "__fish_barn_using_subcommand source; and not __fish_seen_subcommand_from list show check test new" -l timing -d 'Print how long each part took, and what the command used'
complete -c barn -n "__fish_barn_using_subcommand source; and not __fish_seen_subcommand_from list show check test new" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c barn -n "__fish_barn_using_subcommand source; and not __fish_seen_subcommand_from list show check test new" -f -a "list" -d 'List the sources, what they bring, and the keys they need'
complete -c barn -n "__fish_barn_using_subcommand source; and not __fish_seen_subcommand_from list show check test new" -f -a "show" -d 'Print the definition of a source'
complete -c barn -n "__fish_barn_using_subcommand source; and not __fish_seen_subcommand_from list show check test new" -f -a "check" -d 'Check a definition, and print what it would contact, read and store'
complete -c barn -n "__fish_barn_using_subcommand source; and not __fish_seen_subcommand_from list show check test new" -f -a "test" -d 'Run the tests of a definition, or decode one answer with it; makes no request'
complete -c barn -n "__fish_barn_using_subcommand source; and not __fish_seen_subcommand_from list show check test new" -f -a "new" -d 'Write a definition to start from'
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from list" -l format -d 'Format of the list [default: table on a terminal, else csv]' -r -f -a "table\t''
csv\t''
tsv\t''
json\t''
ndjson\t''
parquet\t''
arrow\t''
markdown\t''"
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from list" -l store -d 'Folder of the store' -r -F
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from list" -l color -d 'When to use colors' -r -f -a "auto\t''
always\t''
never\t''"
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from list" -l report -d 'Write what was done, as JSON, to a file' -r -F
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from list" -l label -d 'Name the group of runs that this one belongs to, for `barn runs compare`' -r
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say nothing but errors'
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more'
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from list" -l timing -d 'Print how long each part took, and what the command used'
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from show" -l store -d 'Folder of the store' -r -F
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from show" -l color -d 'When to use colors' -r -f -a "auto\t''
always\t''
never\t''"
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from show" -l report -d 'Write what was done, as JSON, to a file' -r -F
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from show" -l label -d 'Name the group of runs that this one belongs to, for `barn runs compare`' -r
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Say nothing but errors'
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say more'
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from show" -l timing -d 'Print how long each part took, and what the command used'
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from check" -l store -d 'Folder of the store' -r -F
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from check" -l color -d 'When to use colors' -r -f -a "auto\t''
always\t''
never\t''"
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from check" -l report -d 'Write what was done, as JSON, to a file' -r -F
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from check" -l label -d 'Name the group of runs that this one belongs to, for `barn runs compare`' -r
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from check" -s q -l quiet -d 'Say nothing but errors'
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from check" -s v -l verbose -d 'Say more'
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from check" -l timing -d 'Print how long each part took, and what the command used'
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from test" -l fixture -d 'The body of an answer' -r -F
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from test" -l table -d 'The table to fill from the fixture [default: the first of the source]' -r
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from test" -s t -l timeframe -l interval -d 'Timeframe of the bars in the fixture' -r
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from test" -l symbol -d 'The symbol the fixture is about' -r
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from test" -l set -d 'Set an option of the source' -r
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from test" -l format -d 'Write all rows of the table in this format, instead of showing the first' -r -f -a "table\t''
csv\t''
tsv\t''
json\t''
ndjson\t''
parquet\t''
arrow\t''
markdown\t''"
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from test" -l store -d 'Folder of the store' -r -F
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from test" -l color -d 'When to use colors' -r -f -a "auto\t''
always\t''
never\t''"
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from test" -l report -d 'Write what was done, as JSON, to a file' -r -F
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from test" -l label -d 'Name the group of runs that this one belongs to, for `barn runs compare`' -r
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from test" -s q -l quiet -d 'Say nothing but errors'
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from test" -s v -l verbose -d 'Say more'
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from test" -l timing -d 'Print how long each part took, and what the command used'
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from test" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from new" -l from -d 'An answer of the provider: JSON, NDJSON or CSV' -r -F
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from new" -l table -d 'The table the rows go to [default: the one the sample fits best, else bars]' -r
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from new" -s o -l output -d 'The file to write [default: NAME.toml]' -r -F
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from new" -l store -d 'Folder of the store' -r -F
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from new" -l color -d 'When to use colors' -r -f -a "auto\t''
always\t''
never\t''"
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from new" -l report -d 'Write what was done, as JSON, to a file' -r -F
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from new" -l label -d 'Name the group of runs that this one belongs to, for `barn runs compare`' -r
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from new" -s f -l force -d 'Replace the file'
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from new" -s q -l quiet -d 'Say nothing but errors'
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from new" -s v -l verbose -d 'Say more'
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from new" -l timing -d 'Print how long each part took, and what the command used'
complete -c barn -n "__fish_barn_using_subcommand source; and __fish_seen_subcommand_from new" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c barn -n "__fish_barn_using_subcommand store" -l format -d 'Format of the input, instead of what its content says' -r -f -a "auto\t''
csv\t''
tsv\t''
ndjson\t''
json\t''
parquet\t''"
complete -c barn -n "__fish_barn_using_subcommand store" -l root -d 'Where the records of a JSON document are, such as chart.result' -r
complete -c barn -n "__fish_barn_using_subcommand store" -l as -d 'Layout: a TOML file, or the name of a [layout.NAME] in barn.toml' -r
complete -c barn -n "__fish_barn_using_subcommand store" -l columns -d 'Names of the fields of files without a header' -r
complete -c barn -n "__fish_barn_using_subcommand store" -l time-format -d 'Form of the times, such as %d/%m/%Y' -r
complete -c barn -n "__fish_barn_using_subcommand store" -l tz -d 'Time zone of times without one, such as `America/New_York` [default: UTC]' -r
complete -c barn -n "__fish_barn_using_subcommand store" -l map -d 'Take a column of the table from a field of the input' -r
complete -c barn -n "__fish_barn_using_subcommand store" -l set -d 'Set a column to one value in every row' -r
complete -c barn -n "__fish_barn_using_subcommand store" -l key -d 'Fields that name a series, for a table that does not exist yet' -r
complete -c barn -n "__fish_barn_using_subcommand store" -l time -d 'Field with the time, for a table that does not exist yet' -r
complete -c barn -n "__fish_barn_using_subcommand store" -l on-conflict -d 'What happens to a row whose key is stored already' -r -f -a "keep-known\t''
replace\t''
ignore\t''
fail\t''"
complete -c barn -n "__fish_barn_using_subcommand store" -l max-bad -d 'Rows of a transaction that may be rejected: a number, or a share such as 1%' -r
complete -c barn -n "__fish_barn_using_subcommand store" -l transaction-rows -d 'Rows after which a transaction ends' -r
complete -c barn -n "__fish_barn_using_subcommand store" -l store -d 'Folder of the store' -r -F
complete -c barn -n "__fish_barn_using_subcommand store" -l color -d 'When to use colors' -r -f -a "auto\t''
always\t''
never\t''"
complete -c barn -n "__fish_barn_using_subcommand store" -l report -d 'Write what was done, as JSON, to a file' -r -F
complete -c barn -n "__fish_barn_using_subcommand store" -l label -d 'Name the group of runs that this one belongs to, for `barn runs compare`' -r
complete -c barn -n "__fish_barn_using_subcommand store" -l symbol-from-name -d 'Take the symbol from the name of the file'
complete -c barn -n "__fish_barn_using_subcommand store" -l add-columns -d 'Add fields that the table has no column for'
complete -c barn -n "__fish_barn_using_subcommand store" -l dry-run -d 'Say what would be stored, and store nothing'
complete -c barn -n "__fish_barn_using_subcommand store" -s q -l quiet -d 'Say nothing but errors'
complete -c barn -n "__fish_barn_using_subcommand store" -s v -l verbose -d 'Say more'
complete -c barn -n "__fish_barn_using_subcommand store" -l timing -d 'Print how long each part took, and what the command used'
complete -c barn -n "__fish_barn_using_subcommand store" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c barn -n "__fish_barn_using_subcommand compress" -l table -d 'Only this table; may be repeated' -r
complete -c barn -n "__fish_barn_using_subcommand compress" -l older-than -d 'Move rows that are older, such as 30d, 6mo or 1y [default: 30d]' -r
complete -c barn -n "__fish_barn_using_subcommand compress" -l before -d 'Move rows before a time: 2024-01-31, 2024-01-31T09:30:00Z, -30d' -r
complete -c barn -n "__fish_barn_using_subcommand compress" -l level -d 'How hard to try: zstd 1 to 22 [default: 9 for Parquet, 3 for a file], gzip 1 to 9 [default: 6]' -r
complete -c barn -n "__fish_barn_using_subcommand compress" -l codec -d 'Codec [default: by the name of the output, else zstd]' -r -f -a "zstd\t''
lz4\t''
gzip\t''"
complete -c barn -n "__fish_barn_using_subcommand compress" -s o -l output -d 'Write to this file, of one input; - is stdout, and OUT.parquet converts CSV, JSON or NDJSON' -r -F
complete -c barn -n "__fish_barn_using_subcommand compress" -l store -d 'Folder of the store' -r -F
complete -c barn -n "__fish_barn_using_subcommand compress" -l color -d 'When to use colors' -r -f -a "auto\t''
always\t''
never\t''"
complete -c barn -n "__fish_barn_using_subcommand compress" -l report -d 'Write what was done, as JSON, to a file' -r -F
complete -c barn -n "__fish_barn_using_subcommand compress" -l label -d 'Name the group of runs that this one belongs to, for `barn runs compare`' -r
complete -c barn -n "__fish_barn_using_subcommand compress" -l all -d 'Move all final rows'
complete -c barn -n "__fish_barn_using_subcommand compress" -l dry-run -d 'Say what would move, and move nothing'
complete -c barn -n "__fish_barn_using_subcommand compress" -l smallest -d 'Write exact decimals too, where they are smaller'
complete -c barn -n "__fish_barn_using_subcommand compress" -s d -l decompress -d 'Decompress: what a file is, its content says'
complete -c barn -n "__fish_barn_using_subcommand compress" -s f -l force -d 'Replace files that exist, follow links, and decompress to more than 1,000 times the size'
complete -c barn -n "__fish_barn_using_subcommand compress" -s q -l quiet -d 'Say nothing but errors'
complete -c barn -n "__fish_barn_using_subcommand compress" -s v -l verbose -d 'Say more'
complete -c barn -n "__fish_barn_using_subcommand compress" -l timing -d 'Print how long each part took, and what the command used'
complete -c barn -n "__fish_barn_using_subcommand compress" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c barn -n "__fish_barn_using_subcommand query" -l file -d 'Read the SQL from a file; of several statements the last result is printed' -r -F
complete -c barn -n "__fish_barn_using_subcommand query" -l with -d 'Put a CSV, NDJSON or Parquet file beside the tables' -r
complete -c barn -n "__fish_barn_using_subcommand query" -l memory -d 'Memory the query may use before it spills to disk, such as 2GiB' -r
complete -c barn -n "__fish_barn_using_subcommand query" -l format -d 'Format of the result [default: by the name of the output, else table on a terminal, else csv]' -r -f -a "table\t''
csv\t''
tsv\t''
json\t''
ndjson\t''
parquet\t''
arrow\t''
markdown\t''"
complete -c barn -n "__fish_barn_using_subcommand query" -s o -l output -d 'Write the result to a file' -r -F
complete -c barn -n "__fish_barn_using_subcommand query" -l store -d 'Folder of the store' -r -F
complete -c barn -n "__fish_barn_using_subcommand query" -l color -d 'When to use colors' -r -f -a "auto\t''
always\t''
never\t''"
complete -c barn -n "__fish_barn_using_subcommand query" -l report -d 'Write what was done, as JSON, to a file' -r -F
complete -c barn -n "__fish_barn_using_subcommand query" -l label -d 'Name the group of runs that this one belongs to, for `barn runs compare`' -r
complete -c barn -n "__fish_barn_using_subcommand query" -l explain -d 'Show the plan instead of the result'
complete -c barn -n "__fish_barn_using_subcommand query" -l no-cache -d 'Compute the result even where an earlier one is kept, and keep none'
complete -c barn -n "__fish_barn_using_subcommand query" -s f -l force -d 'Replace the output file if it exists'
complete -c barn -n "__fish_barn_using_subcommand query" -s q -l quiet -d 'Say nothing but errors'
complete -c barn -n "__fish_barn_using_subcommand query" -s v -l verbose -d 'Say more'
complete -c barn -n "__fish_barn_using_subcommand query" -l timing -d 'Print how long each part took, and what the command used'
complete -c barn -n "__fish_barn_using_subcommand query" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c barn -n "__fish_barn_using_subcommand optimize" -l table -d 'Only this table; may be repeated' -r
complete -c barn -n "__fish_barn_using_subcommand optimize" -l only -d 'Only this step; may be repeated' -r -f -a "verify\t'Look for damage'
rollups\t'Bring tables that are made of others up to date'
retention\t'Drop rows that are older than barn.toml says'
compact\t'Join small files of the archive, and bring corrections into it'
indexes\t'Propose indexes for the queries that were asked'
stats\t'Refresh the statistics of the database'
cache\t'Drop old answers and results, and pack the others tighter'
vacuum\t'Give free pages back to the disk'
checkpoint\t'Bring the journal into the database'"
complete -c barn -n "__fish_barn_using_subcommand optimize" -l skip -d 'Not this step; may be repeated' -r -f -a "verify\t'Look for damage'
rollups\t'Bring tables that are made of others up to date'
retention\t'Drop rows that are older than barn.toml says'
compact\t'Join small files of the archive, and bring corrections into it'
indexes\t'Propose indexes for the queries that were asked'
stats\t'Refresh the statistics of the database'
cache\t'Drop old answers and results, and pack the others tighter'
vacuum\t'Give free pages back to the disk'
checkpoint\t'Bring the journal into the database'"
complete -c barn -n "__fish_barn_using_subcommand optimize" -l match -d 'Forget the answers of the cache whose key matches this pattern' -r
complete -c barn -n "__fish_barn_using_subcommand optimize" -l store -d 'Folder of the store' -r -F
complete -c barn -n "__fish_barn_using_subcommand optimize" -l color -d 'When to use colors' -r -f -a "auto\t''
always\t''
never\t''"
complete -c barn -n "__fish_barn_using_subcommand optimize" -l report -d 'Write what was done, as JSON, to a file' -r -F
complete -c barn -n "__fish_barn_using_subcommand optimize" -l label -d 'Name the group of runs that this one belongs to, for `barn runs compare`' -r
complete -c barn -n "__fish_barn_using_subcommand optimize" -l full -d 'Check every byte and every row, and measure recent queries before and after'
complete -c barn -n "__fish_barn_using_subcommand optimize" -l apply -d 'Make the indexes that help, and drop those that nobody uses'
complete -c barn -n "__fish_barn_using_subcommand optimize" -l repair -d 'Fetch again what is damaged, where its source has it'
complete -c barn -n "__fish_barn_using_subcommand optimize" -l accept -d 'Take rows of the database as they are that are not those barn wrote'
complete -c barn -n "__fish_barn_using_subcommand optimize" -l yes -d 'Let a retention rule drop all rows of a table'
complete -c barn -n "__fish_barn_using_subcommand optimize" -l dry-run -d 'Say what would be done, and do nothing'
complete -c barn -n "__fish_barn_using_subcommand optimize" -s q -l quiet -d 'Say nothing but errors'
complete -c barn -n "__fish_barn_using_subcommand optimize" -s v -l verbose -d 'Say more'
complete -c barn -n "__fish_barn_using_subcommand optimize" -l timing -d 'Print how long each part took, and what the command used'
complete -c barn -n "__fish_barn_using_subcommand optimize" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c barn -n "__fish_barn_using_subcommand delete" -l where -d 'Which rows: a condition as behind WHERE' -r
complete -c barn -n "__fish_barn_using_subcommand delete" -l store -d 'Folder of the store' -r -F
complete -c barn -n "__fish_barn_using_subcommand delete" -l color -d 'When to use colors' -r -f -a "auto\t''
always\t''
never\t''"
complete -c barn -n "__fish_barn_using_subcommand delete" -l report -d 'Write what was done, as JSON, to a file' -r -F
complete -c barn -n "__fish_barn_using_subcommand delete" -l label -d 'Name the group of runs that this one belongs to, for `barn runs compare`' -r
complete -c barn -n "__fish_barn_using_subcommand delete" -l yes -d 'Do it; without this nothing is deleted'
complete -c barn -n "__fish_barn_using_subcommand delete" -l dry-run -d 'Say how many rows would go, and delete nothing'
complete -c barn -n "__fish_barn_using_subcommand delete" -s q -l quiet -d 'Say nothing but errors'
complete -c barn -n "__fish_barn_using_subcommand delete" -s v -l verbose -d 'Say more'
complete -c barn -n "__fish_barn_using_subcommand delete" -l timing -d 'Print how long each part took, and what the command used'
complete -c barn -n "__fish_barn_using_subcommand delete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c barn -n "__fish_barn_using_subcommand info" -l format -d 'Format of the list [default: table on a terminal, else csv]' -r -f -a "table\t''
csv\t''
tsv\t''
json\t''
ndjson\t''
parquet\t''
arrow\t''
markdown\t''"
complete -c barn -n "__fish_barn_using_subcommand info" -l store -d 'Folder of the store' -r -F
complete -c barn -n "__fish_barn_using_subcommand info" -l color -d 'When to use colors' -r -f -a "auto\t''
always\t''
never\t''"
complete -c barn -n "__fish_barn_using_subcommand info" -l report -d 'Write what was done, as JSON, to a file' -r -F
complete -c barn -n "__fish_barn_using_subcommand info" -l label -d 'Name the group of runs that this one belongs to, for `barn runs compare`' -r
complete -c barn -n "__fish_barn_using_subcommand info" -s q -l quiet -d 'Say nothing but errors'
complete -c barn -n "__fish_barn_using_subcommand info" -s v -l verbose -d 'Say more'
complete -c barn -n "__fish_barn_using_subcommand info" -l timing -d 'Print how long each part took, and what the command used'
complete -c barn -n "__fish_barn_using_subcommand info" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c barn -n "__fish_barn_using_subcommand runs; and not __fish_seen_subcommand_from list show compare check export" -l store -d 'Folder of the store' -r -F
complete -c barn -n "__fish_barn_using_subcommand runs; and not __fish_seen_subcommand_from list show compare check export" -l color -d 'When to use colors' -r -f -a "auto\t''
always\t''
never\t''"
complete -c barn -n "__fish_barn_using_subcommand runs; and not __fish_seen_subcommand_from list show compare check export" -l report -d 'Write what was done, as JSON, to a file' -r -F
complete -c barn -n "__fish_barn_using_subcommand runs; and not __fish_seen_subcommand_from list show compare check export" -l label -d 'Name the group of runs that this one belongs to, for `barn runs compare`' -r
complete -c barn -n "__fish_barn_using_subcommand runs; and not __fish_seen_subcommand_from list show compare check export" -s q -l quiet -d 'Say nothing but errors'
complete -c barn -n "__fish_barn_using_subcommand runs; and not __fish_seen_subcommand_from list show compare check export" -s v -l verbose -d 'Say more'
complete -c barn -n "__fish_barn_using_subcommand runs; and not __fish_seen_subcommand_from list show compare check export" -l timing -d 'Print how long each part took, and what the command used'
complete -c barn -n "__fish_barn_using_subcommand runs; and not __fish_seen_subcommand_from list show compare check export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c barn -n "__fish_barn_using_subcommand runs; and not __fish_seen_subcommand_from list show compare check export" -f -a "list" -d 'List the newest runs; with --label those of a group'
complete -c barn -n "__fish_barn_using_subcommand runs; and not __fish_seen_subcommand_from list show compare check export" -f -a "show" -d 'Show all that is known of a run; of a slow query its plan too'
complete -c barn -n "__fish_barn_using_subcommand runs; and not __fish_seen_subcommand_from list show compare check export" -f -a "compare" -d 'Compare two runs, or two groups of them with a label'
complete -c barn -n "__fish_barn_using_subcommand runs; and not __fish_seen_subcommand_from list show compare check export" -f -a "check" -d 'Check the newest runs against earlier ones like them, and against the limits in barn.toml'
complete -c barn -n "__fish_barn_using_subcommand runs; and not __fish_seen_subcommand_from list show compare check export" -f -a "export" -d 'Export runs as JSON, or for the textfile collector of Prometheus'
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from list" -l command -d 'Only runs of this command' -r -f -a "fetch\t''
store\t''
compress\t''
optimize\t''
delete\t''
query\t''"
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from list" -l limit -d 'At most so many' -r
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from list" -l format -d 'Format of the list [default: table on a terminal, else csv]' -r -f -a "table\t''
csv\t''
tsv\t''
json\t''
ndjson\t''
parquet\t''
arrow\t''
markdown\t''"
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from list" -l store -d 'Folder of the store' -r -F
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from list" -l color -d 'When to use colors' -r -f -a "auto\t''
always\t''
never\t''"
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from list" -l report -d 'Write what was done, as JSON, to a file' -r -F
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from list" -l label -d 'Name the group of runs that this one belongs to, for `barn runs compare`' -r
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from list" -l slow -d 'Only queries slower than `[limits.query] slow` in barn.toml (1 s where it says nothing)'
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say nothing but errors'
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more'
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from list" -l timing -d 'Print how long each part took, and what the command used'
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from show" -l format -d 'Lines for people, or all figures as JSON' -r -f -a "text\t''
json\t''"
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from show" -l store -d 'Folder of the store' -r -F
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from show" -l color -d 'When to use colors' -r -f -a "auto\t''
always\t''
never\t''"
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from show" -l report -d 'Write what was done, as JSON, to a file' -r -F
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from show" -l label -d 'Name the group of runs that this one belongs to, for `barn runs compare`' -r
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Say nothing but errors'
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say more'
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from show" -l timing -d 'Print how long each part took, and what the command used'
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from compare" -l format -d 'Format of the list [default: table on a terminal, else csv]' -r -f -a "table\t''
csv\t''
tsv\t''
json\t''
ndjson\t''
parquet\t''
arrow\t''
markdown\t''"
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from compare" -l store -d 'Folder of the store' -r -F
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from compare" -l color -d 'When to use colors' -r -f -a "auto\t''
always\t''
never\t''"
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from compare" -l report -d 'Write what was done, as JSON, to a file' -r -F
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from compare" -l label -d 'Name the group of runs that this one belongs to, for `barn runs compare`' -r
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from compare" -s q -l quiet -d 'Say nothing but errors'
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from compare" -s v -l verbose -d 'Say more'
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from compare" -l timing -d 'Print how long each part took, and what the command used'
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from compare" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from check" -l last -d 'Check so many of the newest runs of each kind of work' -r
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from check" -l store -d 'Folder of the store' -r -F
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from check" -l color -d 'When to use colors' -r -f -a "auto\t''
always\t''
never\t''"
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from check" -l report -d 'Write what was done, as JSON, to a file' -r -F
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from check" -l label -d 'Name the group of runs that this one belongs to, for `barn runs compare`' -r
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from check" -s q -l quiet -d 'Say nothing but errors'
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from check" -s v -l verbose -d 'Say more'
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from check" -l timing -d 'Print how long each part took, and what the command used'
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from export" -l format -d 'Format' -r -f -a "prometheus\t''
json\t''"
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from export" -s o -l output -d 'Write to a file, which appears when it is complete' -r -F
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from export" -l store -d 'Folder of the store' -r -F
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from export" -l color -d 'When to use colors' -r -f -a "auto\t''
always\t''
never\t''"
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from export" -l report -d 'Write what was done, as JSON, to a file' -r -F
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from export" -l label -d 'Name the group of runs that this one belongs to, for `barn runs compare`' -r
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from export" -s f -l force -d 'Replace the output file if it exists'
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from export" -s q -l quiet -d 'Say nothing but errors'
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from export" -s v -l verbose -d 'Say more'
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from export" -l timing -d 'Print how long each part took, and what the command used'
complete -c barn -n "__fish_barn_using_subcommand runs; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c barn -n "__fish_barn_using_subcommand completions" -l store -d 'Folder of the store' -r -F
complete -c barn -n "__fish_barn_using_subcommand completions" -l color -d 'When to use colors' -r -f -a "auto\t''
always\t''
never\t''"
complete -c barn -n "__fish_barn_using_subcommand completions" -l report -d 'Write what was done, as JSON, to a file' -r -F
complete -c barn -n "__fish_barn_using_subcommand completions" -l label -d 'Name the group of runs that this one belongs to, for `barn runs compare`' -r
complete -c barn -n "__fish_barn_using_subcommand completions" -s q -l quiet -d 'Say nothing but errors'
complete -c barn -n "__fish_barn_using_subcommand completions" -s v -l verbose -d 'Say more'
complete -c barn -n "__fish_barn_using_subcommand completions" -l timing -d 'Print how long each part took, and what the command used'
complete -c barn -n "__fish_barn_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
