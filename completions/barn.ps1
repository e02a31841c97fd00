
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'barn' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'barn'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'barn' {
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Folder of the store')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colors')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write what was done, as JSON, to a file')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Name the group of runs that this one belongs to, for `barn runs compare`')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--timing', '--timing', [CompletionResultType]::ParameterName, 'Print how long each part took, and what the command used')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('demo', 'demo', [CompletionResultType]::ParameterValue, 'Show what barn does, without a network, a key or a configuration')
            [CompletionResult]::new('fetch', 'fetch', [CompletionResultType]::ParameterValue, 'Fetch history from a provider into the store')
            [CompletionResult]::new('source', 'source', [CompletionResultType]::ParameterValue, 'List, show, check, test and write definitions of sources')
            [CompletionResult]::new('store', 'store', [CompletionResultType]::ParameterValue, 'Store files or a stream in a table')
            [CompletionResult]::new('compress', 'compress', [CompletionResultType]::ParameterValue, 'Compress history of the store into Parquet, or any file')
            [CompletionResult]::new('query', 'query', [CompletionResultType]::ParameterValue, 'Ask SQL of the store')
            [CompletionResult]::new('optimize', 'optimize', [CompletionResultType]::ParameterValue, 'Keep the store sound, small and fast')
            [CompletionResult]::new('delete', 'delete', [CompletionResultType]::ParameterValue, 'Take rows out of a table, in the database and in the archive')
            [CompletionResult]::new('info', 'info', [CompletionResultType]::ParameterValue, 'Show what the store has')
            [CompletionResult]::new('runs', 'runs', [CompletionResultType]::ParameterValue, 'List, show, compare, check and export what commands did')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print the completions of a shell, or the man page')
            break
        }
        'barn;demo' {
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Folder of the store')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colors')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write what was done, as JSON, to a file')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Name the group of runs that this one belongs to, for `barn runs compare`')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--timing', '--timing', [CompletionResultType]::ParameterName, 'Print how long each part took, and what the command used')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'barn;fetch' {
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'Length of a bar, such as 1m, 1h or 1d')
            [CompletionResult]::new('--timeframe', '--timeframe', [CompletionResultType]::ParameterName, 'Length of a bar, such as 1m, 1h or 1d')
            [CompletionResult]::new('--interval', '--interval', [CompletionResultType]::ParameterName, 'Length of a bar, such as 1m, 1h or 1d')
            [CompletionResult]::new('--since', '--since', [CompletionResultType]::ParameterName, 'Start: 2024-01-31, 2024-01-31T09:30:00Z, -30d [default: behind the last final row]')
            [CompletionResult]::new('--until', '--until', [CompletionResultType]::ParameterName, 'End, not included [default: now]')
            [CompletionResult]::new('--table', '--table', [CompletionResultType]::ParameterName, 'Table, where the source fills several')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Change an option of the source, as `barn source check` lists them')
            [CompletionResult]::new('--retry-failed', '--retry-failed', [CompletionResultType]::ParameterName, 'Fetch what failed in an earlier run, from its report')
            [CompletionResult]::new('--jobs', '--jobs', [CompletionResultType]::ParameterName, 'Requests at once at most [default: twice the cores, at least 8]')
            [CompletionResult]::new('--every', '--every', [CompletionResultType]::ParameterName, 'Go on fetching, a round each 30s, 5m or 1h of the clock, until Ctrl-C or SIGTERM')
            [CompletionResult]::new('--record', '--record', [CompletionResultType]::ParameterName, 'Save each answer, without secrets, as a file in a folder')
            [CompletionResult]::new('--replay', '--replay', [CompletionResultType]::ParameterName, 'Take the answers from files that --record saved')
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Folder of the store')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colors')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write what was done, as JSON, to a file')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Name the group of runs that this one belongs to, for `barn runs compare`')
            [CompletionResult]::new('--refresh', '--refresh', [CompletionResultType]::ParameterName, 'Ask again what the store and the cache have')
            [CompletionResult]::new('--offline', '--offline', [CompletionResultType]::ParameterName, 'Make no request; only answers in the cache are used')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Say what would be asked, and ask nothing')
            [CompletionResult]::new('--wait-lock', '--wait-lock', [CompletionResultType]::ParameterName, 'Wait while another fetch from this source runs')
            [CompletionResult]::new('--skip-if-running', '--skip-if-running', [CompletionResultType]::ParameterName, 'Do nothing if another fetch from this source runs')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--timing', '--timing', [CompletionResultType]::ParameterName, 'Print how long each part took, and what the command used')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'barn;source' {
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Folder of the store')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colors')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write what was done, as JSON, to a file')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Name the group of runs that this one belongs to, for `barn runs compare`')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--timing', '--timing', [CompletionResultType]::ParameterName, 'Print how long each part took, and what the command used')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the sources, what they bring, and the keys they need')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Print the definition of a source')
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Check a definition, and print what it would contact, read and store')
            [CompletionResult]::new('test', 'test', [CompletionResultType]::ParameterValue, 'Run the tests of a definition, or decode one answer with it; makes no request')
            [CompletionResult]::new('new', 'new', [CompletionResultType]::ParameterValue, 'Write a definition to start from')
            break
        }
        'barn;source;list' {
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Format of the list [default: table on a terminal, else csv]')
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Folder of the store')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colors')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write what was done, as JSON, to a file')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Name the group of runs that this one belongs to, for `barn runs compare`')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--timing', '--timing', [CompletionResultType]::ParameterName, 'Print how long each part took, and what the command used')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'barn;source;show' {
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Folder of the store')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colors')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write what was done, as JSON, to a file')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Name the group of runs that this one belongs to, for `barn runs compare`')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--timing', '--timing', [CompletionResultType]::ParameterName, 'Print how long each part took, and what the command used')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'barn;source;check' {
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Folder of the store')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colors')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write what was done, as JSON, to a file')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Name the group of runs that this one belongs to, for `barn runs compare`')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--timing', '--timing', [CompletionResultType]::ParameterName, 'Print how long each part took, and what the command used')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'barn;source;test' {
            [CompletionResult]::new('--fixture', '--fixture', [CompletionResultType]::ParameterName, 'The body of an answer')
            [CompletionResult]::new('--table', '--table', [CompletionResultType]::ParameterName, 'The table to fill from the fixture [default: the first of the source]')
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'Timeframe of the bars in the fixture')
            [CompletionResult]::new('--timeframe', '--timeframe', [CompletionResultType]::ParameterName, 'Timeframe of the bars in the fixture')
            [CompletionResult]::new('--interval', '--interval', [CompletionResultType]::ParameterName, 'Timeframe of the bars in the fixture')
            [CompletionResult]::new('--symbol', '--symbol', [CompletionResultType]::ParameterName, 'The symbol the fixture is about')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Set an option of the source')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Write all rows of the table in this format, instead of showing the first')
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Folder of the store')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colors')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write what was done, as JSON, to a file')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Name the group of runs that this one belongs to, for `barn runs compare`')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--timing', '--timing', [CompletionResultType]::ParameterName, 'Print how long each part took, and what the command used')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'barn;source;new' {
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'An answer of the provider: JSON, NDJSON or CSV')
            [CompletionResult]::new('--table', '--table', [CompletionResultType]::ParameterName, 'The table the rows go to [default: the one the sample fits best, else bars]')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'The file to write [default: NAME.toml]')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'The file to write [default: NAME.toml]')
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Folder of the store')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colors')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write what was done, as JSON, to a file')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Name the group of runs that this one belongs to, for `barn runs compare`')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Replace the file')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Replace the file')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--timing', '--timing', [CompletionResultType]::ParameterName, 'Print how long each part took, and what the command used')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'barn;store' {
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Format of the input, instead of what its content says')
            [CompletionResult]::new('--root', '--root', [CompletionResultType]::ParameterName, 'Where the records of a JSON document are, such as chart.result')
            [CompletionResult]::new('--as', '--as', [CompletionResultType]::ParameterName, 'Layout: a TOML file, or the name of a [layout.NAME] in barn.toml')
            [CompletionResult]::new('--columns', '--columns', [CompletionResultType]::ParameterName, 'Names of the fields of files without a header')
            [CompletionResult]::new('--time-format', '--time-format', [CompletionResultType]::ParameterName, 'Form of the times, such as %d/%m/%Y')
            [CompletionResult]::new('--tz', '--tz', [CompletionResultType]::ParameterName, 'Time zone of times without one, such as `America/New_York` [default: UTC]')
            [CompletionResult]::new('--map', '--map', [CompletionResultType]::ParameterName, 'Take a column of the table from a field of the input')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Set a column to one value in every row')
            [CompletionResult]::new('--key', '--key', [CompletionResultType]::ParameterName, 'Fields that name a series, for a table that does not exist yet')
            [CompletionResult]::new('--time', '--time', [CompletionResultType]::ParameterName, 'Field with the time, for a table that does not exist yet')
            [CompletionResult]::new('--on-conflict', '--on-conflict', [CompletionResultType]::ParameterName, 'What happens to a row whose key is stored already')
            [CompletionResult]::new('--max-bad', '--max-bad', [CompletionResultType]::ParameterName, 'Rows of a transaction that may be rejected: a number, or a share such as 1%')
            [CompletionResult]::new('--transaction-rows', '--transaction-rows', [CompletionResultType]::ParameterName, 'Rows after which a transaction ends')
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Folder of the store')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colors')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write what was done, as JSON, to a file')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Name the group of runs that this one belongs to, for `barn runs compare`')
            [CompletionResult]::new('--symbol-from-name', '--symbol-from-name', [CompletionResultType]::ParameterName, 'Take the symbol from the name of the file')
            [CompletionResult]::new('--add-columns', '--add-columns', [CompletionResultType]::ParameterName, 'Add fields that the table has no column for')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Say what would be stored, and store nothing')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--timing', '--timing', [CompletionResultType]::ParameterName, 'Print how long each part took, and what the command used')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'barn;compress' {
            [CompletionResult]::new('--table', '--table', [CompletionResultType]::ParameterName, 'Only this table; may be repeated')
            [CompletionResult]::new('--older-than', '--older-than', [CompletionResultType]::ParameterName, 'Move rows that are older, such as 30d, 6mo or 1y [default: 30d]')
            [CompletionResult]::new('--before', '--before', [CompletionResultType]::ParameterName, 'Move rows before a time: 2024-01-31, 2024-01-31T09:30:00Z, -30d')
            [CompletionResult]::new('--level', '--level', [CompletionResultType]::ParameterName, 'How hard to try: zstd 1 to 22 [default: 9 for Parquet, 3 for a file], gzip 1 to 9 [default: 6]')
            [CompletionResult]::new('--codec', '--codec', [CompletionResultType]::ParameterName, 'Codec [default: by the name of the output, else zstd]')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Write to this file, of one input; - is stdout, and OUT.parquet converts CSV, JSON or NDJSON')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Write to this file, of one input; - is stdout, and OUT.parquet converts CSV, JSON or NDJSON')
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Folder of the store')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colors')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write what was done, as JSON, to a file')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Name the group of runs that this one belongs to, for `barn runs compare`')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'Move all final rows')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Say what would move, and move nothing')
            [CompletionResult]::new('--smallest', '--smallest', [CompletionResultType]::ParameterName, 'Write exact decimals too, where they are smaller')
            [CompletionResult]::new('-d', '-d', [CompletionResultType]::ParameterName, 'Decompress: what a file is, its content says')
            [CompletionResult]::new('--decompress', '--decompress', [CompletionResultType]::ParameterName, 'Decompress: what a file is, its content says')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Replace files that exist, follow links, and decompress to more than 1,000 times the size')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Replace files that exist, follow links, and decompress to more than 1,000 times the size')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--timing', '--timing', [CompletionResultType]::ParameterName, 'Print how long each part took, and what the command used')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'barn;query' {
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'Read the SQL from a file; of several statements the last result is printed')
            [CompletionResult]::new('--with', '--with', [CompletionResultType]::ParameterName, 'Put a CSV, NDJSON or Parquet file beside the tables')
            [CompletionResult]::new('--memory', '--memory', [CompletionResultType]::ParameterName, 'Memory the query may use before it spills to disk, such as 2GiB')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Format of the result [default: by the name of the output, else table on a terminal, else csv]')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Write the result to a file')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Write the result to a file')
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Folder of the store')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colors')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write what was done, as JSON, to a file')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Name the group of runs that this one belongs to, for `barn runs compare`')
            [CompletionResult]::new('--explain', '--explain', [CompletionResultType]::ParameterName, 'Show the plan instead of the result')
            [CompletionResult]::new('--no-cache', '--no-cache', [CompletionResultType]::ParameterName, 'Compute the result even where an earlier one is kept, and keep none')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Replace the output file if it exists')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Replace the output file if it exists')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--timing', '--timing', [CompletionResultType]::ParameterName, 'Print how long each part took, and what the command used')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'barn;optimize' {
            [CompletionResult]::new('--table', '--table', [CompletionResultType]::ParameterName, 'Only this table; may be repeated')
            [CompletionResult]::new('--only', '--only', [CompletionResultType]::ParameterName, 'Only this step; may be repeated')
            [CompletionResult]::new('--skip', '--skip', [CompletionResultType]::ParameterName, 'Not this step; may be repeated')
            [CompletionResult]::new('--match', '--match', [CompletionResultType]::ParameterName, 'Forget the answers of the cache whose key matches this pattern')
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Folder of the store')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colors')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write what was done, as JSON, to a file')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Name the group of runs that this one belongs to, for `barn runs compare`')
            [CompletionResult]::new('--full', '--full', [CompletionResultType]::ParameterName, 'Check every byte and every row, and measure recent queries before and after')
            [CompletionResult]::new('--apply', '--apply', [CompletionResultType]::ParameterName, 'Make the indexes that help, and drop those that nobody uses')
            [CompletionResult]::new('--repair', '--repair', [CompletionResultType]::ParameterName, 'Fetch again what is damaged, where its source has it')
            [CompletionResult]::new('--accept', '--accept', [CompletionResultType]::ParameterName, 'Take rows of the database as they are that are not those barn wrote')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Let a retention rule drop all rows of a table')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Say what would be done, and do nothing')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--timing', '--timing', [CompletionResultType]::ParameterName, 'Print how long each part took, and what the command used')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'barn;delete' {
            [CompletionResult]::new('--where', '--where', [CompletionResultType]::ParameterName, 'Which rows: a condition as behind WHERE')
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Folder of the store')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colors')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write what was done, as JSON, to a file')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Name the group of runs that this one belongs to, for `barn runs compare`')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Do it; without this nothing is deleted')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Say how many rows would go, and delete nothing')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--timing', '--timing', [CompletionResultType]::ParameterName, 'Print how long each part took, and what the command used')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'barn;info' {
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Format of the list [default: table on a terminal, else csv]')
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Folder of the store')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colors')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write what was done, as JSON, to a file')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Name the group of runs that this one belongs to, for `barn runs compare`')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--timing', '--timing', [CompletionResultType]::ParameterName, 'Print how long each part took, and what the command used')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'barn;runs' {
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Folder of the store')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colors')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write what was done, as JSON, to a file')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Name the group of runs that this one belongs to, for `barn runs compare`')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--timing', '--timing', [CompletionResultType]::ParameterName, 'Print how long each part took, and what the command used')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'List the newest runs; with --label those of a group')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Show all that is known of a run; of a slow query its plan too')
            [CompletionResult]::new('compare', 'compare', [CompletionResultType]::ParameterValue, 'Compare two runs, or two groups of them with a label')
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Check the newest runs against earlier ones like them, and against the limits in barn.toml')
            [CompletionResult]::new('export', 'export', [CompletionResultType]::ParameterValue, 'Export runs as JSON, or for the textfile collector of Prometheus')
            break
        }
        'barn;runs;list' {
            [CompletionResult]::new('--command', '--command', [CompletionResultType]::ParameterName, 'Only runs of this command')
            [CompletionResult]::new('--limit', '--limit', [CompletionResultType]::ParameterName, 'At most so many')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Format of the list [default: table on a terminal, else csv]')
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Folder of the store')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colors')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write what was done, as JSON, to a file')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Name the group of runs that this one belongs to, for `barn runs compare`')
            [CompletionResult]::new('--slow', '--slow', [CompletionResultType]::ParameterName, 'Only queries slower than `[limits.query] slow` in barn.toml (1 s where it says nothing)')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--timing', '--timing', [CompletionResultType]::ParameterName, 'Print how long each part took, and what the command used')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'barn;runs;show' {
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Lines for people, or all figures as JSON')
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Folder of the store')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colors')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write what was done, as JSON, to a file')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Name the group of runs that this one belongs to, for `barn runs compare`')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--timing', '--timing', [CompletionResultType]::ParameterName, 'Print how long each part took, and what the command used')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'barn;runs;compare' {
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Format of the list [default: table on a terminal, else csv]')
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Folder of the store')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colors')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write what was done, as JSON, to a file')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Name the group of runs that this one belongs to, for `barn runs compare`')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--timing', '--timing', [CompletionResultType]::ParameterName, 'Print how long each part took, and what the command used')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'barn;runs;check' {
            [CompletionResult]::new('--last', '--last', [CompletionResultType]::ParameterName, 'Check so many of the newest runs of each kind of work')
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Folder of the store')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colors')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write what was done, as JSON, to a file')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Name the group of runs that this one belongs to, for `barn runs compare`')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--timing', '--timing', [CompletionResultType]::ParameterName, 'Print how long each part took, and what the command used')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'barn;runs;export' {
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Format')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Write to a file, which appears when it is complete')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Write to a file, which appears when it is complete')
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Folder of the store')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colors')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write what was done, as JSON, to a file')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Name the group of runs that this one belongs to, for `barn runs compare`')
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Replace the output file if it exists')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Replace the output file if it exists')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--timing', '--timing', [CompletionResultType]::ParameterName, 'Print how long each part took, and what the command used')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'barn;completions' {
            [CompletionResult]::new('--store', '--store', [CompletionResultType]::ParameterName, 'Folder of the store')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colors')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write what was done, as JSON, to a file')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Name the group of runs that this one belongs to, for `barn runs compare`')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more')
            [CompletionResult]::new('--timing', '--timing', [CompletionResultType]::ParameterName, 'Print how long each part took, and what the command used')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
