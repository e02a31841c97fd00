-- Statements that barn and DuckDB are both asked, over the tables that duckdb.py describes. Each ends in `;` and an
-- empty line. Before it may stand `-- duckdb: …`, the same in DuckDB's words, and `-- differs: …`, why the two do not
-- agree; other comments name what follows.

-- moving windows
SELECT symbol, ts, avg(close) OVER (PARTITION BY symbol ORDER BY ts ROWS BETWEEN 19 PRECEDING AND CURRENT ROW)
AS v FROM bars ORDER BY symbol, ts;

SELECT symbol, ts, sum(volume) OVER (PARTITION BY symbol ORDER BY ts ROWS BETWEEN 4 PRECEDING AND 1 FOLLOWING)
AS v FROM bars ORDER BY symbol, ts;

SELECT symbol, ts, max(high) OVER (PARTITION BY symbol ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND
CURRENT ROW) AS top, min(low) OVER (PARTITION BY symbol ORDER BY ts ROWS BETWEEN 9 PRECEDING AND CURRENT ROW)
AS bottom FROM bars ORDER BY symbol, ts;

SELECT symbol, ts, count(*) OVER (PARTITION BY symbol ORDER BY ts RANGE BETWEEN INTERVAL '10 minutes'
PRECEDING AND CURRENT ROW) AS n FROM bars ORDER BY symbol, ts;

SELECT symbol, ts, avg(close) OVER (PARTITION BY symbol ORDER BY ts RANGE BETWEEN INTERVAL '5 minutes'
PRECEDING AND INTERVAL '5 minutes' FOLLOWING) AS v FROM bars ORDER BY symbol, ts;

SELECT symbol, ts, first_value(close) OVER w AS a, last_value(close) OVER w AS b, nth_value(close, 2) OVER w
AS c FROM bars WINDOW w AS (PARTITION BY symbol ORDER BY ts ROWS BETWEEN 2 PRECEDING AND 2 FOLLOWING) ORDER BY
symbol, ts;

SELECT symbol, ts, lag(close, 3) OVER (PARTITION BY symbol ORDER BY ts) AS a, lead(close) OVER (PARTITION BY
symbol ORDER BY ts) AS b FROM bars ORDER BY symbol, ts;

SELECT symbol, ts, row_number() OVER (PARTITION BY symbol ORDER BY volume DESC NULLS LAST, ts) AS n, rank()
OVER (PARTITION BY symbol ORDER BY open) AS r, dense_rank() OVER (PARTITION BY symbol ORDER BY open) AS d,
ntile(4) OVER (PARTITION BY symbol ORDER BY ts) AS q FROM bars ORDER BY symbol, ts;

-- resampling
SELECT symbol, time_bucket(INTERVAL '5 minutes', ts) AS bucket, max(high) AS high, min(low) AS low,
sum(volume) AS volume, count(*) AS n FROM bars GROUP BY 1, 2 ORDER BY 1, 2;

SELECT symbol, time_bucket(INTERVAL '1 hour', ts) AS bucket, sum(close * volume) / sum(volume) AS vwap FROM
bars GROUP BY 1, 2 ORDER BY 1, 2;

SELECT date_trunc('hour', ts) AS hour, avg(close) AS v, count(DISTINCT symbol) AS n FROM bars GROUP BY 1 ORDER
BY 1;

SELECT symbol, max_by(close, volume) AS a, min_by(close, volume) AS b FROM bars GROUP BY symbol ORDER BY
symbol;

-- joins
SELECT a.symbol AS a, b.symbol AS b, a.ts, a.close - b.close AS spread FROM bars a JOIN bars b ON a.ts = b.ts
AND a.symbol < b.symbol WHERE a.volume > 50000 ORDER BY 1, 2, 3;

SELECT a.symbol, a.ts, b.ts AS later FROM bars a LEFT JOIN bars b ON a.symbol = b.symbol AND b.ts = a.ts +
INTERVAL '7 minutes' AND b.close > a.close ORDER BY 1, 2;

SELECT symbol, ts FROM bars a WHERE NOT EXISTS (SELECT 1 FROM bars b WHERE b.symbol = a.symbol AND b.close >
a.close) ORDER BY 1, 2;

SELECT symbol, ts, close FROM bars WHERE close > (SELECT avg(close) FROM bars) AND symbol IN (SELECT symbol
FROM bars GROUP BY symbol HAVING min(low) > 90) ORDER BY 1, 2;

-- common table expressions and QUALIFY
WITH r AS (SELECT symbol, ts, close / lag(close) OVER (PARTITION BY symbol ORDER BY ts) - 1 AS r FROM bars
WHERE timeframe = '1m'), s AS (SELECT symbol, avg(r) AS mean, stddev_samp(r) AS deviation FROM r GROUP BY
symbol) SELECT r.symbol, r.ts, (r.r - s.mean) / s.deviation AS z FROM r JOIN s ON s.symbol = r.symbol WHERE
r.r IS NOT NULL ORDER BY 1, 2;

SELECT symbol, ts, close FROM bars QUALIFY row_number() OVER (PARTITION BY symbol ORDER BY ts DESC) <= 3 ORDER
BY 1, 2;

SELECT symbol, ts, high - low AS r FROM bars QUALIFY rank() OVER (PARTITION BY symbol ORDER BY high - low
DESC, ts) = 1 ORDER BY 1;

-- aggregates, sets, types
SELECT symbol, count(*) AS n, sum(volume) AS v, avg(close) AS m, round(stddev_samp(close), 7) AS s,
round(var_pop(close), 7) AS p, round(corr(open, close), 8) AS c, median(close) AS d FROM bars GROUP BY symbol
ORDER BY symbol;

SELECT symbol, count(*) FILTER (WHERE close > open) AS up, count(*) FILTER (WHERE close < open) AS down FROM
bars GROUP BY symbol ORDER BY symbol;

SELECT symbol, time_bucket(INTERVAL '1 hour', ts) AS bucket, sum(volume) AS v FROM bars GROUP BY ROLLUP
(symbol, time_bucket(INTERVAL '1 hour', ts)) ORDER BY 1 NULLS FIRST, 2 NULLS FIRST;

SELECT symbol FROM bars WHERE close > 100 INTERSECT SELECT symbol FROM bars WHERE close < 100 ORDER BY symbol;

SELECT symbol, ts FROM bars WHERE volume < 1000 UNION ALL SELECT symbol, ts FROM bars WHERE volume > 99000
ORDER BY 1, 2;

SELECT symbol, extract(hour FROM ts) AS h, CAST(ts AS DATE) AS d, CASE WHEN close > open THEN 'up' WHEN close
< open THEN 'down' ELSE 'flat' END AS way, round(close, 1) AS r, abs(close - open) AS a FROM bars ORDER BY
symbol, ts;

SELECT symbol, coalesce(nullif(close, open), 0.0) AS v, greatest(open, close) AS g, least(open, close) AS l
FROM bars ORDER BY symbol, ts;

SELECT DISTINCT symbol, upper(substr(symbol, 1, 3)) || '-' || length(symbol) AS s FROM bars WHERE symbol LIKE
'SYM%' ORDER BY 1;

SELECT symbol, ts, close FROM bars WHERE ts >= '2024-01-01T00:30:00' AND ts < '2024-01-01T00:40:00' ORDER BY
ts DESC, symbol LIMIT 7 OFFSET 3;

-- frames by rows
SELECT symbol, ts, sum(trades) OVER (PARTITION BY symbol, timeframe ORDER BY ts ROWS 3 PRECEDING) AS v FROM
bars WHERE timeframe = '1d' ORDER BY symbol, ts;

SELECT symbol, ts, count(close) OVER w AS n, min(close) OVER w AS low, max(close) OVER w AS high FROM bars
WHERE timeframe <> '1m' WINDOW w AS (PARTITION BY symbol ORDER BY ts ROWS BETWEEN 3 FOLLOWING AND 5 FOLLOWING)
ORDER BY symbol, ts;

SELECT symbol, ts, avg(close) OVER (PARTITION BY symbol ORDER BY ts ROWS BETWEEN 5 PRECEDING AND 1 PRECEDING)
AS v FROM bars WHERE timeframe <> '1m' ORDER BY symbol, ts;

SELECT symbol, ts, sum(volume) OVER (PARTITION BY symbol ORDER BY ts ROWS BETWEEN CURRENT ROW AND UNBOUNDED
FOLLOWING) AS v FROM bars WHERE timeframe = '1d' ORDER BY symbol, ts;

SELECT symbol, ts, round(stddev_samp(close) OVER (PARTITION BY symbol ORDER BY ts ROWS 19 PRECEDING), 9) AS s,
round(var_pop(close) OVER (PARTITION BY symbol ORDER BY ts ROWS 9 PRECEDING), 9) AS p FROM bars WHERE
timeframe = '1m' ORDER BY symbol, ts;

SELECT symbol, ts, avg(close) OVER w + 2 * round(stddev_samp(close) OVER w, 9) AS top, avg(close) OVER w - 2 *
round(stddev_samp(close) OVER w, 9) AS bottom FROM bars WHERE timeframe = '1m' WINDOW w AS (PARTITION BY
symbol ORDER BY ts ROWS 9 PRECEDING) ORDER BY symbol, ts;

SELECT symbol, ts, first_value(close) OVER (PARTITION BY symbol ORDER BY ts ROWS BETWEEN 1 PRECEDING AND 1
PRECEDING) AS v FROM bars WHERE timeframe = '1d' ORDER BY symbol, ts;

SELECT i, round(s, 9) AS s, round(p, 9) AS p FROM (SELECT i, stddev_samp(x) OVER (ORDER BY i ROWS 1 PRECEDING)
AS s, var_pop(x) OVER (ORDER BY i ROWS 2 PRECEDING) AS p FROM (VALUES (1, 1e14), (2, 1.0), (3, 3.0), (4, 7.0),
(5, 8.0)) AS v(i, x)) AS t WHERE i > 3 ORDER BY i;

SELECT symbol, ts, round(corr(high, low) OVER w, 8) AS c, round(covar_samp(high, low) OVER w / var_samp(low)
OVER w, 8) AS beta FROM bars WHERE timeframe = '1m' WINDOW w AS (PARTITION BY symbol ORDER BY ts ROWS 29
PRECEDING) QUALIFY row_number() OVER (PARTITION BY symbol ORDER BY ts) > 29 ORDER BY symbol, ts;

SELECT DISTINCT symbol, stddev_pop(level) OVER (PARTITION BY symbol) AS s FROM notes ORDER BY symbol;

-- frames by range
SELECT symbol, due, count(*) OVER (ORDER BY due RANGE BETWEEN INTERVAL '1 year' PRECEDING AND CURRENT ROW) AS
n FROM notes WHERE due BETWEEN '1970-01-01' AND '2024-12-31' ORDER BY due, symbol;

SELECT level, ts, symbol, sum(level) OVER (ORDER BY level RANGE BETWEEN 2 PRECEDING AND 2 FOLLOWING) AS v FROM
notes WHERE level IS NOT NULL ORDER BY level, symbol, ts;

SELECT symbol, ts, count(*) OVER (ORDER BY level) AS n, sum(level) OVER (ORDER BY level) AS v FROM notes WHERE
level IS NOT NULL ORDER BY symbol, ts;

SELECT symbol, ts, seq, sum(size) OVER (PARTITION BY symbol ORDER BY ts RANGE BETWEEN INTERVAL '5 seconds'
PRECEDING AND CURRENT ROW) AS v FROM trades ORDER BY symbol, ts, seq;

SELECT symbol, ts, seq, count(*) OVER (PARTITION BY symbol ORDER BY ts RANGE BETWEEN INTERVAL '1 second'
PRECEDING AND INTERVAL '1 second' FOLLOWING) AS n FROM trades ORDER BY symbol, ts, seq;

SELECT symbol, ts, sum(level) OVER (PARTITION BY symbol ORDER BY ts DESC RANGE BETWEEN INTERVAL '1 hour'
PRECEDING AND CURRENT ROW) AS v FROM notes ORDER BY symbol, ts;

SELECT symbol, ts, sum(level) OVER (ORDER BY level RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS v FROM notes
ORDER BY symbol, ts;

SELECT symbol, ts, last_value(close) OVER (PARTITION BY symbol ORDER BY ts RANGE BETWEEN UNBOUNDED PRECEDING
AND UNBOUNDED FOLLOWING) AS v FROM bars WHERE timeframe = '1d' ORDER BY symbol, ts;

-- frames by groups
SELECT symbol, ts, level, sum(level) OVER (ORDER BY level GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS v
FROM notes WHERE level IS NOT NULL ORDER BY level, symbol, ts;

SELECT symbol, ts, seq, count(*) OVER (PARTITION BY symbol ORDER BY ts GROUPS BETWEEN 2 PRECEDING AND CURRENT
ROW) AS n FROM trades ORDER BY symbol, ts, seq;

SELECT symbol, ts, max(price) OVER (PARTITION BY symbol ORDER BY ts GROUPS BETWEEN 1 FOLLOWING AND 3
FOLLOWING) AS v, seq FROM trades ORDER BY symbol, ts, seq;

-- ranks and neighbours
SELECT symbol, ts, percent_rank() OVER (PARTITION BY symbol ORDER BY open) AS p, cume_dist() OVER (PARTITION
BY symbol ORDER BY open) AS c FROM bars WHERE timeframe = '1d' ORDER BY symbol, ts;

SELECT symbol, ts, lag(close, 2, -1.0) OVER (PARTITION BY symbol ORDER BY ts) AS a, lead(close, 1, 0.0) OVER
(PARTITION BY symbol ORDER BY ts) AS b FROM bars WHERE timeframe <> '1m' ORDER BY symbol, ts;

-- duckdb: SELECT symbol, ts, lag(close IGNORE NULLS) OVER (PARTITION BY symbol ORDER BY ts) AS v FROM bars WHERE timeframe = '1d' ORDER BY symbol, ts
SELECT symbol, ts, lag(close) IGNORE NULLS OVER (PARTITION BY symbol ORDER BY ts) AS v FROM bars WHERE
timeframe = '1d' ORDER BY symbol, ts;

SELECT symbol, ts, last_value(vwap IGNORE NULLS) OVER (PARTITION BY symbol ORDER BY ts ROWS BETWEEN UNBOUNDED
PRECEDING AND CURRENT ROW) AS v FROM bars WHERE timeframe = '1d' ORDER BY symbol, ts;

SELECT symbol, ts, first_value(adj_close IGNORE NULLS) OVER (PARTITION BY symbol ORDER BY ts ROWS BETWEEN
CURRENT ROW AND UNBOUNDED FOLLOWING) AS v FROM bars WHERE timeframe = '1d' ORDER BY symbol, ts;

SELECT symbol, ts, nth_value(close, 3) OVER (PARTITION BY symbol ORDER BY ts) AS v FROM bars WHERE timeframe =
'1d' ORDER BY symbol, ts;

SELECT symbol, ts, lag(title) OVER (PARTITION BY symbol ORDER BY ts) AS before, lead(tag, 2, 'none') OVER
(PARTITION BY symbol ORDER BY ts) AS after FROM notes ORDER BY symbol, ts;

SELECT symbol, ts, seq, row_number() OVER (PARTITION BY symbol, price, size ORDER BY ts, seq) AS n FROM trades
ORDER BY symbol, ts, seq;

SELECT symbol, ts, ntile(3) OVER (ORDER BY symbol, ts) AS q, ntile(50) OVER (ORDER BY symbol, ts) AS r FROM
notes ORDER BY symbol, ts;

SELECT symbol, ts, rank() OVER (ORDER BY ok NULLS LAST) AS r, dense_rank() OVER (ORDER BY ok DESC NULLS FIRST)
AS d FROM notes ORDER BY symbol, ts;

SELECT symbol, sum(count(*)) OVER (ORDER BY symbol) AS running, count(*) AS n FROM bars GROUP BY symbol ORDER
BY symbol;

SELECT symbol, sum(volume) / sum(sum(volume)) OVER () AS share FROM bars WHERE timeframe = '1m' GROUP BY
symbol ORDER BY symbol;

SELECT symbol, ts, close - first_value(close) OVER (PARTITION BY symbol, CAST(ts AS DATE) ORDER BY ts) AS v
FROM bars WHERE timeframe = '1h' ORDER BY ts;

SELECT symbol, ts, count(*) FILTER (WHERE close > open) OVER (PARTITION BY symbol ORDER BY ts ROWS 4
PRECEDING) AS up FROM bars WHERE timeframe = '1d' ORDER BY symbol, ts;

SELECT symbol, ts, exp(sum(ln(close)) OVER (PARTITION BY symbol ORDER BY ts ROWS 2 PRECEDING)) AS v FROM bars
WHERE timeframe = '1m' AND symbol < 'SYM002' ORDER BY symbol, ts;

-- islands and gaps
WITH d AS (SELECT symbol, ts, CASE WHEN close > lag(close) OVER (PARTITION BY symbol ORDER BY ts) THEN 0 ELSE
1 END AS turn FROM bars WHERE timeframe = '1m'), g AS (SELECT symbol, ts, sum(turn) OVER (PARTITION BY symbol
ORDER BY ts) AS island FROM d) SELECT symbol, island, count(*) AS n, min(ts) AS since, max(ts) AS until FROM g
GROUP BY symbol, island HAVING count(*) >= 4 ORDER BY symbol, island;

WITH g AS (SELECT symbol, ts, ts - lag(ts) OVER (PARTITION BY symbol ORDER BY ts) AS step FROM bars WHERE
timeframe = '1d') SELECT symbol, ts FROM g WHERE step > INTERVAL '3 days' ORDER BY symbol, ts;

WITH r AS (SELECT symbol, ts, max(close) OVER (PARTITION BY symbol ORDER BY ts) AS peak, close FROM bars WHERE
timeframe = '1m') SELECT symbol, min(close / peak - 1) AS drawdown FROM r GROUP BY symbol ORDER BY symbol;

-- inner and outer joins
SELECT h.symbol, h.account, b.ts, h.shares * b.close AS value FROM holdings h JOIN bars b ON b.symbol =
h.symbol WHERE b.timeframe = '1d' AND b.ts >= '2024-01-03' ORDER BY h.symbol, h.account, b.ts;

SELECT h.symbol, h.account, h.shares, b.n FROM holdings h LEFT JOIN (SELECT symbol, count(*) AS n FROM bars
GROUP BY symbol) b ON b.symbol = h.symbol ORDER BY h.symbol NULLS LAST, h.account;

SELECT b.symbol, h.account FROM holdings h RIGHT JOIN (SELECT DISTINCT symbol FROM bars) b ON b.symbol =
h.symbol ORDER BY 1, 2 NULLS LAST;

SELECT h.symbol AS held, b.symbol AS quoted, h.account FROM holdings h FULL JOIN (SELECT DISTINCT symbol FROM
bars) b ON b.symbol = h.symbol ORDER BY 1 NULLS LAST, 2 NULLS LAST, 3;

SELECT symbol, account, n FROM holdings JOIN (SELECT symbol, count(*) AS n FROM notes GROUP BY symbol) c USING
(symbol) ORDER BY symbol, account;

SELECT a.symbol, a.account, b.account AS other FROM holdings a JOIN holdings b ON a.symbol IS NOT DISTINCT
FROM b.symbol ORDER BY a.symbol NULLS FIRST, a.account, b.account;

SELECT h.symbol, x.k FROM holdings h CROSS JOIN (VALUES (1), (2)) AS x(k) WHERE h.account = 'second' ORDER BY
1, 2;

SELECT n.symbol, n.ts, b.symbol AS other, b.ts AS at FROM notes n LEFT JOIN bars b ON b.symbol = n.symbol AND
b.timeframe = '1d' AND CAST(b.ts AS DATE) = CAST(n.ts AS DATE) ORDER BY n.symbol, n.ts;

SELECT count(*) AS n, count(b.close) AS m FROM bars a LEFT JOIN bars b ON b.symbol = a.symbol AND b.timeframe
= a.timeframe AND b.close = a.close AND b.ts > a.ts WHERE a.timeframe <> '1m';

SELECT a.symbol, a.ts, a.seq, b.seq AS other FROM trades a JOIN trades b ON a.symbol = b.symbol AND a.ts =
b.ts AND a.seq < b.seq ORDER BY a.symbol, a.ts, a.seq, b.seq;

SELECT symbol, tag, account FROM notes NATURAL JOIN holdings WHERE tag IS NOT NULL ORDER BY symbol, ts,
account;

-- joins on ranges
SELECT h.symbol, h.account, h.since, count(b.ts) AS days FROM holdings h LEFT JOIN bars b ON b.symbol =
h.symbol AND b.timeframe = '1d' AND b.ts >= h.since AND b.ts < h.since + INTERVAL '14 days' WHERE h.symbol IS
NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

SELECT n.symbol, n.level, g.name FROM notes n JOIN (VALUES ('low', -10, 3), ('middle', 3, 7), ('high', 7,
100)) AS g(name, lo, hi) ON n.level >= g.lo AND n.level < g.hi ORDER BY n.symbol, n.ts;

SELECT n.symbol, n.ts, t.symbol AS traded, t.ts AS at, t.seq FROM notes n JOIN trades t ON t.ts BETWEEN n.ts -
INTERVAL '10 seconds' AND n.ts ORDER BY 1, 2, 3, 4, 5;

SELECT a.ts, b.ts AS later FROM bars a JOIN bars b ON b.ts > a.ts AND b.ts <= a.ts + INTERVAL '2 minutes'
WHERE a.symbol = 'SYM000' AND b.symbol = 'SYM001' AND a.close < b.close ORDER BY 1, 2;

-- semi and anti joins
SELECT symbol, account FROM holdings WHERE symbol IN (SELECT symbol FROM bars WHERE timeframe = '1d') ORDER BY
1, 2;

SELECT symbol, account FROM holdings WHERE symbol NOT IN (SELECT symbol FROM bars) ORDER BY 1, 2;

SELECT symbol, account FROM holdings h WHERE NOT EXISTS (SELECT 1 FROM bars b WHERE b.symbol = h.symbol) ORDER
BY 1 NULLS LAST, 2;

SELECT count(DISTINCT symbol) AS n FROM bars WHERE symbol NOT IN (SELECT symbol FROM holdings);

SELECT count(*) AS n FROM notes WHERE symbol NOT IN (SELECT symbol FROM holdings);

SELECT symbol, ts FROM notes n WHERE EXISTS (SELECT 1 FROM trades t WHERE t.ts > n.ts AND t.ts < n.ts +
INTERVAL '1 minute') ORDER BY 1, 2;

-- duckdb: SELECT symbol FROM holdings SEMI JOIN bars ON bars.symbol = holdings.symbol AND bars.timeframe = '1d' ORDER BY 1
SELECT symbol FROM holdings LEFT SEMI JOIN bars ON bars.symbol = holdings.symbol AND bars.timeframe = '1d'
ORDER BY 1;

-- duckdb: SELECT holdings.symbol FROM holdings ANTI JOIN bars ON bars.symbol = holdings.symbol ORDER BY 1 NULLS LAST
SELECT holdings.symbol FROM holdings LEFT ANTI JOIN bars ON bars.symbol = holdings.symbol ORDER BY 1 NULLS
LAST;

SELECT count(*) AS n FROM bars WHERE symbol NOT IN (SELECT symbol FROM holdings) OR close < 0;

SELECT count(*) AS n FROM bars WHERE symbol NOT IN (SELECT symbol FROM holdings WHERE symbol IS NOT NULL) OR
close < 0;

SELECT count(*) AS n FROM bars WHERE (symbol IN (SELECT symbol FROM holdings)) IS NULL;

SELECT count(*) AS n FROM holdings WHERE symbol NOT IN (SELECT symbol FROM bars) OR shares > 100;

SELECT count(*) AS n FROM holdings WHERE symbol NOT IN (SELECT symbol FROM bars) OR shares > 100 OR symbol IS
NULL;

SELECT count(*) AS n FROM notes WHERE EXISTS (SELECT 1 FROM holdings WHERE symbol IS NULL) OR level > 100;

-- correlated subqueries
SELECT symbol, ts, close FROM bars a WHERE timeframe = '1d' AND close = (SELECT max(close) FROM bars b WHERE
b.symbol = a.symbol AND b.timeframe = a.timeframe) ORDER BY 1, 2;

SELECT h.symbol, h.account, (SELECT count(*) FROM trades t WHERE t.symbol = h.symbol) AS n FROM holdings h
ORDER BY h.symbol NULLS LAST, h.account;

SELECT h.symbol, h.account, (SELECT max(close) FROM bars b WHERE b.symbol = h.symbol AND b.timeframe = '1d')
AS top FROM holdings h ORDER BY h.symbol NULLS LAST, h.account;

SELECT symbol, ts, level FROM notes n WHERE level > (SELECT avg(level) FROM notes m WHERE m.symbol = n.symbol)
ORDER BY 1, 2;

SELECT symbol, count(*) AS n FROM bars b GROUP BY symbol HAVING count(*) > (SELECT count(*) FROM notes n WHERE
n.symbol = b.symbol) ORDER BY 1;

SELECT symbol, ts FROM bars WHERE close > ALL (SELECT cost FROM holdings WHERE cost IS NOT NULL AND symbol <>
'ETH') ORDER BY 1, 2;

SELECT symbol, ts FROM bars WHERE timeframe = '1d' AND close < ANY (SELECT cost FROM holdings WHERE symbol =
'BBB') ORDER BY 1, 2;

SELECT (SELECT max(ts) FROM bars) AS a, (SELECT min(ts) FROM trades) AS b, (SELECT count(*) FROM notes WHERE
false) AS c, (SELECT level FROM notes WHERE false) AS d;

SELECT symbol, ts FROM notes WHERE tag LIKE NULL OR level IN (NULL, 2) ORDER BY symbol, ts;

SELECT h.symbol, coalesce((SELECT sum(t.size) FROM trades t WHERE t.symbol = h.symbol), -1) AS s FROM holdings
h ORDER BY h.symbol NULLS LAST, h.account;

SELECT h.symbol, (SELECT count(*) + 1 FROM trades t WHERE t.symbol = h.symbol) AS s FROM holdings h ORDER BY
h.symbol NULLS LAST, h.account;

SELECT a.symbol, count(b.symbol) AS n FROM holdings a LEFT JOIN notes b ON a.symbol = b.symbol AND a.shares >
5 GROUP BY a.symbol ORDER BY 1 NULLS LAST;

SELECT a.symbol, b.tag FROM holdings a LEFT JOIN notes b ON a.symbol = b.symbol WHERE b.tag IS NULL ORDER BY 1
NULLS LAST, a.account, b.ts;

SELECT count(*) AS n FROM holdings a FULL JOIN notes b ON a.symbol = b.symbol AND b.level > a.shares;

SELECT avg(DISTINCT level) AS a, count(DISTINCT ok) AS b, sum(DISTINCT level) FILTER (WHERE ok) AS c FROM
notes;

SELECT symbol, count(DISTINCT level) AS a, count(DISTINCT tag) AS b, sum(level) AS c FROM notes GROUP BY
symbol ORDER BY symbol;

SELECT date_trunc('month', ts) AS m, count(DISTINCT symbol) AS n, max(close) FILTER (WHERE timeframe = '1d')
AS x FROM bars GROUP BY 1 ORDER BY 1;

-- common table expressions
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20) SELECT i, i * i AS square FROM n
ORDER BY i;

WITH RECURSIVE f AS (SELECT 1 AS i, CAST(0 AS BIGINT) AS a, CAST(1 AS BIGINT) AS b UNION ALL SELECT i + 1, b,
a + b FROM f WHERE i < 80) SELECT i, a FROM f ORDER BY i;

WITH RECURSIVE m AS (SELECT 1 AS i, CAST(1000.0 AS DOUBLE) AS money UNION ALL SELECT i + 1, money * 1.05 FROM
m WHERE i < 12) SELECT i, money FROM m ORDER BY i;

WITH RECURSIVE d AS (SELECT DATE '2024-01-28' AS day UNION ALL SELECT CAST(day + INTERVAL '1 day' AS DATE)
FROM d WHERE day < DATE '2024-03-02') SELECT d.day, count(b.ts) AS bars FROM d LEFT JOIN bars b ON CAST(b.ts
AS DATE) = d.day GROUP BY d.day ORDER BY d.day;

WITH RECURSIVE p(a, b) AS (VALUES ('x', 'y'), ('y', 'z'), ('z', 'w')), r(a, b) AS (SELECT a, b FROM p UNION
ALL SELECT r.a, p.b FROM r JOIN p ON p.a = r.b) SELECT a, b FROM r ORDER BY a, b;

WITH a AS (SELECT symbol, avg(close) AS m FROM bars GROUP BY symbol), b AS (SELECT symbol, m, rank() OVER
(ORDER BY m DESC) AS r FROM a) SELECT x.symbol, x.r, y.symbol AS next FROM b x LEFT JOIN b y ON y.r = x.r + 1
ORDER BY x.r;

WITH bars AS (SELECT * FROM bars WHERE timeframe = '1h') SELECT count(*) AS n FROM bars;

WITH a(x, y) AS (SELECT symbol, count(*) FROM trades GROUP BY 1) SELECT y, x FROM a ORDER BY y, x;

-- set operations
SELECT symbol FROM bars UNION SELECT symbol FROM notes UNION SELECT symbol FROM holdings ORDER BY 1 NULLS LAST;

SELECT symbol FROM holdings EXCEPT SELECT symbol FROM bars ORDER BY 1 NULLS LAST;

SELECT symbol, size FROM trades EXCEPT SELECT symbol, size FROM trades WHERE side = 'buy' ORDER BY 1, 2;

(SELECT symbol, ts, close FROM bars WHERE timeframe = '1h' ORDER BY close DESC NULLS LAST LIMIT 2) UNION ALL
(SELECT symbol, ts, close FROM bars WHERE timeframe = '1h' ORDER BY close ASC LIMIT 2) ORDER BY 3, 2;

SELECT 1 AS a UNION ALL SELECT 2.5 UNION ALL SELECT NULL ORDER BY a NULLS FIRST;

SELECT NULL AS a INTERSECT SELECT NULL;

SELECT symbol, 'bars' AS kind FROM bars UNION SELECT symbol, 'notes' FROM notes UNION SELECT symbol, 'trades'
FROM trades ORDER BY 1, 2;

SELECT * FROM (SELECT close FROM bars WHERE timeframe = '1h' UNION SELECT close FROM bars WHERE timeframe =
'1h') AS u ORDER BY close NULLS FIRST;

SELECT symbol, account FROM holdings UNION BY NAME SELECT account, symbol, shares FROM holdings WHERE shares >
5 ORDER BY symbol NULLS LAST, account, shares NULLS LAST;

-- dates
SELECT symbol, ts, date_trunc('day', ts) AS d, date_trunc('week', ts) AS w, date_trunc('month', ts) AS m,
date_trunc('quarter', ts) AS q, date_trunc('year', ts) AS y FROM bars WHERE timeframe = '1d' ORDER BY symbol,
ts;

SELECT DISTINCT extract(year FROM due) AS y, extract(month FROM due) AS m, extract(day FROM due) AS d,
extract(quarter FROM due) AS q, extract(week FROM due) AS w, extract(dow FROM due) AS dow, extract(doy FROM
due) AS doy FROM notes WHERE due > '0002-01-01' ORDER BY 1, 2, 3;

SELECT symbol, ts, seq, extract(hour FROM ts) AS h, extract(minute FROM ts) AS m FROM trades ORDER BY symbol,
ts, seq;

SELECT symbol, ts, date_part('isodow', ts) AS d FROM bars WHERE timeframe = '1d' ORDER BY symbol, ts;

SELECT symbol, ts, seq, date_part('millisecond', ts) AS ms, date_part('microsecond', ts) AS us FROM trades
ORDER BY symbol, ts, seq;

SELECT symbol, ts, seq, extract(second FROM ts) AS s FROM trades ORDER BY symbol, ts, seq;

SELECT symbol, ts, CAST(ts + INTERVAL '1 month' AS DATE) AS a, CAST(ts - INTERVAL '1 year' AS DATE) AS b, ts +
INTERVAL '90 minutes' AS c, ts - INTERVAL '1 day 2 hours 3 seconds' AS d FROM bars WHERE timeframe = '1d'
ORDER BY symbol, ts;

SELECT due, CAST(due + INTERVAL '1 month' AS DATE) AS a, CAST(due - INTERVAL '1 month' AS DATE) AS b, CAST(due
+ INTERVAL '1 year' AS DATE) AS c FROM notes WHERE due BETWEEN '1970-01-01' AND '2100-01-01' ORDER BY due,
symbol, ts;

SELECT DATE '2024-03-01' - DATE '2024-02-01' AS days;

SELECT symbol, ts, due - DATE '2024-01-01' AS days FROM notes WHERE due IS NOT NULL ORDER BY symbol, ts;

SELECT due + 7 AS a, due - 7 AS b FROM notes WHERE due BETWEEN '1970-01-01' AND '2100-01-01' ORDER BY 1;

SELECT symbol, ts FROM bars WHERE ts BETWEEN '2023-12-29' AND '2024-01-02' AND timeframe <> '1m' ORDER BY
symbol, ts;

SELECT symbol, ts FROM bars WHERE CAST(ts AS DATE) = DATE '2023-12-31' ORDER BY symbol, ts;

SELECT symbol, ts, seq FROM trades WHERE ts >= TIMESTAMP '2024-01-01 01:59:59.5' AND ts < TIMESTAMP
'2024-01-01 02:00:10.25' ORDER BY symbol, ts, seq;

SELECT CAST(ts AS DATE) AS d, count(*) AS n, min(ts) AS a, max(ts) AS b FROM bars GROUP BY CAST(ts AS DATE)
ORDER BY d;

SELECT extract(dow FROM ts) AS dow, count(*) AS n, avg(close - open) AS move FROM bars WHERE timeframe = '1d'
GROUP BY extract(dow FROM ts) ORDER BY 1;

SELECT make_date(2024, 2, 29) AS d, make_date(2023, 12, 31) AS e;

SELECT CAST(CAST('2024-01-31T10:00:00Z' AS TIMESTAMP) AS DATE) AS a, CAST('2024-01-31' AS TIMESTAMP) <
CAST('2024-01-31 00:00:00.000001' AS TIMESTAMP) AS b, CAST(TIMESTAMP '2024-01-31 23:59:59' AS DATE) AS c;

SELECT symbol, ts, CAST(epoch(ts) AS BIGINT) AS s, epoch_ms(ts) AS ms FROM bars WHERE timeframe = '1h' ORDER
BY ts;

SELECT symbol, ts, strftime(ts, '%d.%m.%Y %H:%M') AS a, strftime(ts, '%a %b %j') AS b, strftime(due,
'%Y/%m/%d') AS c FROM notes WHERE due > '1900-01-01' ORDER BY symbol, ts;

-- buckets of time
SELECT time_bucket(INTERVAL '7 minutes', ts) AS b, count(*) AS n FROM bars WHERE timeframe = '1m' GROUP BY 1
ORDER BY 1;

SELECT symbol, time_bucket(INTERVAL '1 week', ts) AS b, max(high) AS h FROM bars WHERE timeframe = '1d' GROUP
BY 1, 2 ORDER BY 1, 2;

SELECT symbol, time_bucket(INTERVAL '1 month', ts) AS b, count(close) AS n FROM bars GROUP BY 1, 2 ORDER BY 1,
2;

-- duckdb: SELECT time_bucket(INTERVAL '1 quarter', due) AS b, count(*) AS n FROM notes WHERE due > '1900-01-01' GROUP BY 1 ORDER BY 1
SELECT time_bucket('1 quarter', due) AS b, count(*) AS n FROM notes WHERE due > '1900-01-01' GROUP BY 1 ORDER
BY 1;

SELECT symbol, time_bucket(INTERVAL '10 seconds', ts) AS b, sum(size) AS size, sum(price * size) / sum(size)
AS vwap, count(*) AS n FROM trades GROUP BY 1, 2 ORDER BY 1, 2;

SELECT symbol, time_bucket(INTERVAL '500 milliseconds', ts) AS b, count(*) AS n FROM trades GROUP BY 1, 2
ORDER BY 1, 2;

-- duckdb: SELECT symbol, time_bucket(INTERVAL '1 second', ts) AS b, arg_min(price, (ts, seq)) AS open, max(price) AS high, min(price) AS low FROM trades GROUP BY 1, 2 ORDER BY 1, 2
SELECT symbol, time_bucket(INTERVAL '1 second', ts) AS b, first_value(price ORDER BY ts, seq) AS open,
max(price) AS high, min(price) AS low FROM trades GROUP BY 1, 2 ORDER BY 1, 2;

-- nulls and logic of three values
SELECT symbol, ts, ok AND level > 3 AS a, ok OR level > 3 AS b, NOT ok AS c, ok IS NULL AS d, ok IS TRUE AS e,
ok IS NOT FALSE AS f, ok IS UNKNOWN AS g FROM notes ORDER BY symbol, ts; SELECT count(*) AS n, count(close) AS
c, count(DISTINCT close) AS d, sum(close) AS s, avg(volume) AS v FROM bars;

SELECT NULL = NULL AS a, NULL <> 1 AS b, NULL IS NULL AS c, NULL AND false AS d, NULL OR true AS e, 1 IN (1,
NULL) AS f, 2 IN (1, NULL) AS g, 2 NOT IN (1, NULL) AS h;

SELECT symbol, ts FROM notes WHERE NOT (tag = 'x') ORDER BY symbol, ts;

SELECT symbol, ts FROM notes WHERE tag <> 'x' OR tag IS NULL ORDER BY symbol, ts;

SELECT symbol, ts FROM notes WHERE tag IS DISTINCT FROM 'x' ORDER BY symbol, ts;

SELECT symbol, ts, coalesce(tag, title, 'none') AS c, nullif(tag, '') AS n, coalesce(level, -1) + 1 AS l FROM
notes ORDER BY symbol, ts;

SELECT tag, count(*) AS n FROM notes GROUP BY tag ORDER BY tag NULLS FIRST;

SELECT ok, count(*) AS n, sum(level) AS s, min(title) AS a, max(title) AS b FROM notes GROUP BY ok ORDER BY ok
NULLS LAST;

SELECT sum(open_interest) AS a, avg(open_interest) AS b, max(open_interest) AS c, count(open_interest) AS d
FROM bars;

SELECT count(*) AS n, sum(level) AS s, max(title) AS m, bool_and(ok) AS a, bool_or(ok) AS o FROM notes WHERE
false;

SELECT symbol, bool_and(ok) AS a, bool_or(ok) AS o FROM notes GROUP BY symbol ORDER BY symbol;

SELECT greatest(level, 5) AS g, least(level, 5) AS l, symbol, ts FROM notes ORDER BY symbol, ts;

SELECT title = '' AS a, title IS NULL AS b, length(title) AS c, tag || title AS d FROM notes ORDER BY symbol,
ts;

SELECT concat(tag, '-', title) AS a, concat_ws('/', tag, title, symbol) AS b FROM notes ORDER BY symbol, ts;

SELECT symbol, level FROM notes ORDER BY level ASC NULLS FIRST, symbol, ts LIMIT 6;

SELECT symbol, level FROM notes ORDER BY level DESC NULLS LAST, symbol DESC, ts OFFSET 14;

SELECT symbol, ok, tag FROM notes ORDER BY ok NULLS FIRST, tag DESC NULLS LAST, ts, symbol;

SELECT symbol, ts, level FROM notes ORDER BY level, symbol, ts;

-- infinities and what is not a number
SELECT symbol, ts, vwap FROM bars WHERE vwap = CAST('inf' AS DOUBLE) OR vwap < CAST('-infinity' AS DOUBLE) OR
vwap = CAST('-infinity' AS DOUBLE) ORDER BY ts;

SELECT symbol, max(vwap) AS a, min(vwap) AS b, sum(vwap) AS s, avg(vwap) AS m FROM bars WHERE timeframe = '1d'
GROUP BY symbol ORDER BY symbol;

SELECT symbol, ts, vwap FROM bars WHERE symbol = 'BBB' ORDER BY vwap DESC NULLS LAST, ts;

SELECT isnan(CAST('nan' AS DOUBLE)) AS a, CAST('nan' AS DOUBLE) = CAST('nan' AS DOUBLE) AS b, CAST('nan' AS
DOUBLE) > CAST('inf' AS DOUBLE) AS c;

SELECT symbol, ts, rate, isnan(rate) AS n, abs(rate) AS a, rate * 0 AS z, rate - rate AS d FROM notes ORDER BY
symbol, ts;

SELECT symbol, ts, sum(vwap) OVER (PARTITION BY symbol ORDER BY ts ROWS 2 PRECEDING) AS s FROM bars WHERE
symbol = 'BBB' ORDER BY ts;

SELECT symbol, ts, avg(rate) OVER (PARTITION BY symbol ORDER BY ts ROWS 1 PRECEDING) AS s FROM notes ORDER BY
symbol, ts;

SELECT rate, count(*) AS n FROM notes WHERE symbol = 'BRK.B' GROUP BY rate ORDER BY rate NULLS LAST;

SELECT 1.0 / 0 AS a;

SELECT close / (close - close) AS a FROM bars WHERE symbol = 'AAA' AND close > 1 ORDER BY ts LIMIT 1;

SELECT ln(CAST(0 AS DOUBLE)) AS a;

SELECT exp(CAST(1000 AS DOUBLE)) AS a;

SELECT median(vwap) AS m, count(vwap) AS n FROM bars WHERE symbol = 'BBB';

-- decimals
SELECT CAST('1.005' AS DECIMAL(10, 2)) AS a, CAST('12.345' AS DECIMAL(10, 2)) AS b, CAST('-12.345' AS
DECIMAL(10, 2)) AS c, CAST('0.1' AS DECIMAL(10, 3)) AS d;

SELECT symbol, sum(CAST(close AS DECIMAL(12, 2))) AS s, max(CAST(close AS DECIMAL(12, 2))) AS m FROM bars
WHERE timeframe = '1d' GROUP BY symbol ORDER BY symbol;

SELECT CAST(sum(CAST(close AS DECIMAL(12, 2))) AS VARCHAR) AS s FROM bars WHERE timeframe = '1m';

SELECT CAST(CAST('1.10' AS DECIMAL(10, 2)) + CAST('2.205' AS DECIMAL(10, 3)) AS VARCHAR) AS a,
CAST(CAST('1.10' AS DECIMAL(10, 2)) * CAST('2.205' AS DECIMAL(10, 3)) AS VARCHAR) AS b;

SELECT avg(CAST(close AS DECIMAL(12, 2))) AS a FROM bars WHERE timeframe = '1m';

SELECT CAST('7.50' AS DECIMAL(10, 2)) % CAST('2.00' AS DECIMAL(10, 2)) AS a;

SELECT round(CAST('2.345' AS DECIMAL(10, 3)), 2) AS a, round(CAST('-2.345' AS DECIMAL(10, 3)), 2) AS b;

SELECT CAST('0.1' AS DECIMAL(5, 1)) + CAST('0.2' AS DECIMAL(5, 1)) = CAST('0.3' AS DECIMAL(5, 1)) AS a,
CAST(0.1 AS DOUBLE) + CAST(0.2 AS DOUBLE) = CAST(0.3 AS DOUBLE) AS b;

SELECT symbol, CAST(cost AS DECIMAL(10, 2)) * shares AS v FROM holdings WHERE shares IS NOT NULL AND cost IS
NOT NULL ORDER BY symbol, account;

-- whole numbers
SELECT 7 * level AS a, level + 1 > 3 AS b, count(*) AS n, sum(level * 2 - 1) AS c FROM notes GROUP BY ROLLUP (7 * level,
level + 1 > 3) ORDER BY a NULLS LAST, b NULLS LAST, n;

SELECT level - 1 AS a, ts - TIMESTAMP '2024-01-01' > INTERVAL '3 days' AS b, count(*) AS n FROM notes GROUP BY CUBE (level -
1, ts - TIMESTAMP '2024-01-01' > INTERVAL '3 days') ORDER BY a NULLS LAST, b NULLS LAST, n;

SELECT level * 2 AS a, count(*) AS n FROM notes GROUP BY GROUPING SETS ((level * 2), ()) HAVING sum(level + 1) > 1 ORDER
BY a NULLS LAST, n;

SELECT level * 2 AS a, grouping(level * 2) AS g, count(*) AS n FROM notes GROUP BY ROLLUP (level * 2) ORDER BY a NULLS
LAST, g, n;

SELECT symbol, min(ts) AS a, count(*) AS n FROM (SELECT symbol, ts, row_number() OVER (PARTITION BY symbol ORDER BY ts)
- row_number() OVER (ORDER BY ts, symbol) AS island FROM bars) AS q GROUP BY symbol, island ORDER BY symbol, a;

SELECT symbol, ts, r - lag(r) OVER (ORDER BY ts, symbol) AS d FROM (SELECT symbol, ts, rank() OVER (ORDER BY close) AS r
FROM bars) AS q ORDER BY ts, symbol;

SELECT symbol, ts, r - 5 AS a, 5 - r AS b FROM (SELECT symbol, ts, dense_rank() OVER (ORDER BY close) AS r FROM bars) AS
q WHERE r - 3 < 4 ORDER BY ts, symbol;

SELECT symbol, ts, sum(DISTINCT level) OVER (PARTITION BY symbol ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)
AS a FROM notes ORDER BY symbol, ts;

SELECT sum(level + 1) OVER (PARTITION BY symbol ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS a, level * level
AS b FROM notes ORDER BY symbol, ts;

SELECT symbol, ts, amount + 0 AS a, amount % 10 AS m, -amount AS n, abs(amount) AS b FROM notes ORDER BY
symbol, ts;

-- duckdb: SELECT symbol, ts, amount // 7 AS d FROM notes ORDER BY symbol, ts
SELECT symbol, ts, amount / 7 AS d FROM notes ORDER BY symbol, ts;

SELECT 7 % 3 AS a, -7 % 3 AS b, 7 % -3 AS c, -7 % -3 AS d;

SELECT 7.5 % 2 AS a, CAST(-7.5 AS DOUBLE) % 2 AS b;

SELECT amount / 2.0 AS a FROM notes WHERE abs(amount) < 1000000 ORDER BY symbol, ts;

-- duckdb: SELECT trades // 10 AS t, count(*) AS n FROM bars WHERE timeframe = '1d' GROUP BY 1 ORDER BY 1
SELECT trades / 10 AS t, count(*) AS n FROM bars WHERE timeframe = '1d' GROUP BY 1 ORDER BY 1;

SELECT 9223372036854775807 AS a, -9223372036854775808 AS b, 9223372036854775807 - 1 AS c;

SELECT sum(amount) AS a FROM notes;

SELECT symbol, sum(amount) AS s, avg(amount) AS a, min(amount) AS x, max(amount) AS y FROM notes WHERE
abs(amount) < 2000000000 GROUP BY symbol ORDER BY symbol;

SELECT max(amount) AS a, min(amount) AS b, count(DISTINCT amount) AS n FROM notes;

SELECT symbol, ts FROM notes WHERE amount = 9007199254740993 OR amount = -9223372036854775807 ORDER BY symbol,
ts;

SELECT symbol, ts FROM notes WHERE amount > 9007199254740992 ORDER BY symbol, ts;

SELECT CAST(amount AS DOUBLE) AS a, CAST(amount AS DOUBLE) = amount AS b FROM notes ORDER BY symbol, ts;

SELECT amount & 7 AS a, amount | 1 AS o, amount >> 2 AS r FROM notes WHERE amount BETWEEN 0 AND 1000000 ORDER
BY symbol, ts;

SELECT power(2, 10) AS p, gcd(12, 18) AS g, lcm(4, 6) AS l, factorial(5) AS f;

SELECT CAST(100000 AS BIGINT) * 100000 AS a, CAST(2147483647 AS BIGINT) + 1 AS b;

SELECT avg(amount) AS a FROM notes WHERE symbol = 'CCC';

-- functions of numbers
SELECT symbol, ts, round(close) AS a, round(close, 1) AS b, floor(close) AS c, ceil(close) AS d, trunc(close)
AS e, round(-close, 0) AS f FROM bars WHERE timeframe <> '1m' ORDER BY symbol, ts;

SELECT round(CAST(0.5 AS DOUBLE)) AS a, round(CAST(1.5 AS DOUBLE)) AS b, round(CAST(2.5 AS DOUBLE)) AS c,
round(CAST(-0.5 AS DOUBLE)) AS d, round(CAST(-1.5 AS DOUBLE)) AS e;

SELECT symbol, ts, sqrt(close) AS a, ln(close) AS b, log10(close) AS c, log2(close) AS d, exp(close / 100) AS
e, power(close, 2) AS f, cbrt(close) AS g FROM bars WHERE timeframe <> '1m' AND close > 0 ORDER BY symbol, ts;

SELECT symbol, ts, close / lag(close) OVER w - 1 AS simple, ln(close / lag(close) OVER w) AS log FROM bars
WHERE timeframe = '1m' WINDOW w AS (PARTITION BY symbol ORDER BY ts) ORDER BY symbol, ts;

SELECT sin(1.0) AS a, cos(1.0) AS b, tan(1.0) AS c, atan2(1.0, 2.0) AS d, pi() AS e, degrees(1.0) AS f,
radians(90.0) AS g;

SELECT round(1234.567, -2) AS a, trunc(1234.567, 1) AS b;

SELECT log(100) AS a;

SELECT log(2, 8) AS a;

-- text
SELECT title, upper(title) AS u, lower(title) AS l, length(title) AS n, reverse(title) AS r FROM notes WHERE
symbol <> 'BRK.B' ORDER BY symbol, ts;

SELECT title, length(title) AS n, char_length(title) AS c, upper(title) AS u, lower(title) AS l,
reverse(title) AS r FROM notes WHERE symbol = 'BRK.B' ORDER BY symbol, ts;

-- duckdb: SELECT strlen(title) AS o, bit_length(title) AS b FROM notes ORDER BY symbol, ts
SELECT octet_length(title) AS o, bit_length(title) AS b FROM notes ORDER BY symbol, ts;

SELECT substr(title, 2, 4) AS a, left(title, 3) AS b, right(title, 2) AS c, substring(title FROM 3) AS d,
left(title, -2) AS e, right(title, -2) AS f FROM notes ORDER BY symbol, ts;

SELECT substr('hello', 0, 3) AS a, substr('hello', 10) AS b, substr('hello', 2, 0) AS c;

SELECT trim(title) AS a, ltrim(title) AS b, rtrim(title) AS c, trim(BOTH 'ae' FROM title) AS d FROM notes
ORDER BY symbol, ts;

SELECT replace(title, 'a', 'AA') AS a, translate(title, 'abc', 'xyz') AS b, strpos(title, 'a') AS c,
position('o' IN title) AS d FROM notes ORDER BY symbol, ts;

SELECT lpad(symbol, 8, '.') AS a, rpad(symbol, 8, '.') AS b, lpad(symbol, 2, '.') AS c, repeat(symbol, 2) AS d
FROM holdings ORDER BY symbol NULLS LAST, account;

SELECT split_part(tag, '|', 1) AS a, split_part(tag, '|', 2) AS b, split_part(tag, '|', 3) AS c FROM notes
ORDER BY symbol, ts;

SELECT split_part(symbol, '.', -1) AS a FROM holdings ORDER BY symbol NULLS LAST, account;

SELECT ascii(title) AS a, chr(65) AS b, chr(8364) AS c, starts_with(title, 'a') AS d, ends_with(title, 'e') AS
e, contains(title, 'o') AS f FROM notes ORDER BY symbol, ts;

SELECT title < 'b' AS a, title > 'a' AS b, title BETWEEN 'A' AND 'b' AS c FROM notes ORDER BY symbol, ts;

SELECT title FROM notes ORDER BY title NULLS FIRST, symbol, ts;

SELECT title FROM notes ORDER BY title DESC NULLS LAST, symbol, ts;

SELECT min(title) AS a, max(title) AS b, min(tag) AS c, max(tag) AS d FROM notes;

SELECT 'a' || 1 AS a, 'x' || NULL AS b, 'it''s' AS c, '' = ' ' AS d, 'a' = 'A' AS e;

SELECT CAST(amount AS VARCHAR) AS a, CAST(ok AS VARCHAR) AS b, CAST(due AS VARCHAR) AS c, CAST(level AS TEXT)
|| '%' AS d FROM notes ORDER BY symbol, ts;

SELECT CAST(close AS VARCHAR) AS a, CAST(volume AS VARCHAR) AS b FROM bars WHERE timeframe = '1h' ORDER BY ts;

SELECT overlay('abcdef' PLACING 'XX' FROM 2 FOR 3) AS a;

SELECT concat('a', NULL, 'b', 1) AS a, concat_ws(',', 'a', NULL, 'b') AS b;

SELECT levenshtein('kitten', 'sitting') AS a;

-- patterns
SELECT title FROM notes WHERE title LIKE '%a%' ORDER BY symbol, ts;

SELECT title FROM notes WHERE title ILIKE 'a%' OR title ILIKE '%É%' ORDER BY symbol, ts;

SELECT title FROM notes WHERE title LIKE '_pple' ORDER BY symbol, ts;

SELECT title FROM notes WHERE title LIKE '%\_%' ESCAPE '\' ORDER BY symbol, ts;

SELECT title FROM notes WHERE title LIKE '____' OR title LIKE '日本語%' OR title LIKE '%🚀%' ORDER BY symbol, ts;

SELECT title FROM notes WHERE title NOT LIKE '%e%' ORDER BY symbol, ts;

SELECT title FROM notes WHERE title LIKE '%two%lines%' ORDER BY symbol, ts;

-- duckdb: SELECT title, regexp_matches(title, '^[a-z]') AS a, NOT regexp_matches(title, 'o') AS b FROM notes ORDER BY symbol, ts
SELECT title, title ~ '^[a-z]' AS a, title !~ 'o' AS b FROM notes ORDER BY symbol, ts;

SELECT title, regexp_replace(title, '[aeiou]', '*') AS a, regexp_replace(title, '[aeiou]', '*', 'g') AS b FROM
notes ORDER BY symbol, ts;

-- duckdb: SELECT title FROM notes WHERE regexp_matches(title, '^\d{4}-\d{2}') ORDER BY symbol, ts
SELECT title FROM notes WHERE regexp_like(title, '^\d{4}-\d{2}') ORDER BY symbol, ts;

-- duckdb: SELECT title, regexp_matches(title, 'pp') AS a FROM notes ORDER BY symbol, ts
SELECT title, title ~ 'pp' AS a FROM notes ORDER BY symbol, ts;

SELECT symbol, count(*) AS n FROM bars WHERE symbol LIKE 'SYM00_' AND symbol NOT LIKE '%4' GROUP BY symbol
ORDER BY symbol;

SELECT regexp_replace('2024-01-31', '(\d+)-(\d+)-(\d+)', '\3.\2.\1') AS a;

-- CASE
SELECT symbol, ts, CASE level WHEN 1 THEN 'one' WHEN 2 THEN 'two' ELSE 'many' END AS a, CASE WHEN level IS
NULL THEN NULL WHEN level % 2 = 0 THEN level ELSE level * 1.5 END AS b FROM notes ORDER BY symbol, ts;

SELECT CASE WHEN close > open THEN 1 WHEN close < open THEN -1 ELSE 0 END AS way, count(*) AS n FROM bars
GROUP BY 1 ORDER BY 1;

SELECT symbol, sum(CASE WHEN side = 'buy' THEN size WHEN side = 'sell' THEN -size ELSE 0 END) AS net,
count(CASE WHEN side = 'buy' THEN 1 END) AS buys FROM trades GROUP BY symbol ORDER BY symbol;

SELECT symbol, ts, CASE WHEN level <> 0 THEN 100 / level ELSE NULL END > 20 AS a FROM notes ORDER BY symbol,
ts;

SELECT symbol, max(CASE WHEN extract(hour FROM ts) = 0 THEN close END) AS h0, max(CASE WHEN extract(hour FROM
ts) = 3 THEN close END) AS h3 FROM bars WHERE timeframe = '1m' GROUP BY symbol ORDER BY symbol;

SELECT CASE WHEN ok THEN 'yes' WHEN NOT ok THEN 'no' END AS a, count(*) AS n FROM notes GROUP BY 1 ORDER BY 1
NULLS LAST;

-- groups
SELECT symbol, timeframe, count(*) AS n, grouping(symbol) AS g, grouping(timeframe) AS h FROM bars GROUP BY
CUBE (symbol, timeframe) ORDER BY symbol NULLS LAST, timeframe NULLS LAST, g, h;

SELECT timeframe, symbol, sum(volume) AS v FROM bars GROUP BY GROUPING SETS ((timeframe, symbol), (timeframe),
()) ORDER BY 1 NULLS LAST, 2 NULLS LAST;

SELECT symbol, side, count(*) AS n, sum(size) AS s, grouping(symbol, side) AS g FROM trades GROUP BY ROLLUP
(symbol, side) ORDER BY symbol NULLS LAST, side NULLS LAST, g;

SELECT symbol, count(*) AS n FROM bars GROUP BY symbol HAVING avg(close) > 90 AND count(*) > 20 ORDER BY n
DESC, symbol;

SELECT count(*) AS n FROM bars HAVING count(*) > 5;

SELECT symbol FROM bars GROUP BY symbol HAVING bool_or(close IS NULL) ORDER BY symbol;

SELECT upper(substr(symbol, 1, 1)) AS letter, count(DISTINCT symbol) AS n FROM bars GROUP BY 1 ORDER BY 1;

SELECT symbol, count(*) FILTER (WHERE side IS NULL) AS n, sum(size) FILTER (WHERE side = 'buy') AS b,
max(price) FILTER (WHERE false) AS c FROM trades GROUP BY symbol ORDER BY symbol;

SELECT price, size, count(*) AS n FROM trades WHERE symbol = 'ETH' GROUP BY price, size HAVING count(*) > 2
ORDER BY n DESC, price, size;

SELECT symbol, count(DISTINCT price) AS p, count(DISTINCT side) AS s, sum(DISTINCT size) AS d FROM trades
GROUP BY symbol ORDER BY symbol;

SELECT count(DISTINCT (symbol, size)) AS n FROM trades;

SELECT count(*) AS n FROM (SELECT DISTINCT symbol, ts, price, size, side FROM trades) AS d;

SELECT level % 3 AS k, array_agg(level ORDER BY level) AS l FROM notes WHERE level IS NOT NULL GROUP BY 1
ORDER BY 1;

SELECT symbol, string_agg(tag, ',' ORDER BY ts) AS t FROM notes GROUP BY symbol ORDER BY symbol;

SELECT symbol, string_agg(DISTINCT account, '+' ORDER BY account) AS t FROM holdings GROUP BY symbol ORDER BY
symbol NULLS LAST;

SELECT symbol, string_agg(CAST(level AS VARCHAR), ';' ORDER BY level DESC NULLS LAST) AS t FROM notes GROUP BY
symbol ORDER BY symbol;

SELECT symbol, timeframe, count(*) AS n FROM bars GROUP BY ALL ORDER BY symbol, timeframe;

SELECT symbol, CAST(ts AS DATE) AS d, count(*) AS n FROM bars WHERE symbol = 'AAA' GROUP BY ROLLUP (symbol,
CAST(ts AS DATE)) ORDER BY 1 NULLS LAST, 2 NULLS LAST;

SELECT timeframe, symbol, count(*) AS n FROM bars WHERE timeframe = '1d' GROUP BY CUBE (timeframe, symbol)
ORDER BY 1 NULLS FIRST, 2 NULLS FIRST;

SELECT timeframe, symbol, count(*) AS n FROM bars WHERE timeframe = '1m' GROUP BY GROUPING SETS ((timeframe,
symbol), (symbol), ()) ORDER BY 1 NULLS FIRST, 2 NULLS FIRST;

SELECT timeframe, symbol, side, count(*) AS n FROM (SELECT 'x' AS timeframe, symbol, side FROM trades) AS t
GROUP BY ROLLUP (timeframe, symbol, side) ORDER BY 1 NULLS FIRST, 2 NULLS FIRST, 3 NULLS FIRST, 4;

SELECT timeframe, symbol, n FROM (SELECT timeframe, symbol, count(*) AS n FROM bars WHERE timeframe = '1m'
GROUP BY ROLLUP (timeframe, symbol)) AS t WHERE timeframe IS NULL;

SELECT timeframe, symbol, count(*) AS n, row_number() OVER (PARTITION BY timeframe ORDER BY symbol) AS r FROM
bars WHERE timeframe = '1m' GROUP BY CUBE (timeframe, symbol) ORDER BY n, symbol NULLS LAST, timeframe NULLS
LAST;

SELECT symbol, side, count(*) AS n FROM trades WHERE symbol = 'BTC' GROUP BY ROLLUP (symbol, side) ORDER BY 1
DESC NULLS LAST, 2 NULLS LAST, 3;

-- averages, spreads and quantiles
SELECT symbol, median(close) AS m, median(volume) AS v, median(trades) AS t FROM bars GROUP BY symbol ORDER BY
symbol;

SELECT symbol, quantile_cont(close, 0.9) AS q, quantile_cont(close, 0.05) AS r FROM bars GROUP BY symbol ORDER
BY symbol;

SELECT symbol, percentile_cont(0.25) WITHIN GROUP (ORDER BY close) AS q FROM bars WHERE timeframe = '1m' GROUP
BY symbol ORDER BY symbol;

SELECT symbol, round(stddev_pop(price), 6) AS a, round(var_samp(price), 6) AS b, stddev(size) AS c FROM trades
GROUP BY symbol ORDER BY symbol;

SELECT round(stddev(price), 6) AS s, round(var_pop(price), 6) AS v FROM trades WHERE symbol = 'BTC';

SELECT round(covar_pop(open, close), 9) AS a, round(covar_samp(open, close), 9) AS b, round(corr(open, close),
9) AS c, round(regr_slope(close, open), 9) AS d, round(regr_intercept(close, open), 6) AS e,
round(regr_r2(close, open), 9) AS f, regr_count(close, open) AS g FROM bars WHERE symbol = 'SYM001';

SELECT symbol, round(covar_pop(open, close), 9) AS a, round(covar_samp(open, close), 9) AS b,
round(regr_slope(close, open), 9) AS d, round(regr_intercept(close, open), 6) AS e, regr_count(close, open) AS
g FROM bars WHERE timeframe = '1m' GROUP BY symbol ORDER BY symbol;

SELECT symbol, round(corr(open, close), 9) AS c FROM bars WHERE timeframe = '1m' GROUP BY symbol ORDER BY
symbol;

SELECT symbol, round(corr(price, size), 8) AS c, round(corr(price, -price), 8) AS d FROM trades WHERE symbol
<> 'DOGE' GROUP BY symbol ORDER BY symbol;

SELECT symbol, var_samp(price) AS v, stddev(price) AS s FROM trades WHERE symbol = 'DOGE' GROUP BY symbol;

SELECT symbol, max(price) - min(price) AS r, avg(price) AS a, sum(price * size) / sum(size) AS w FROM trades
GROUP BY symbol ORDER BY symbol;

SELECT bit_and(level) AS a, bit_or(level) AS b, bit_xor(level) AS c FROM notes WHERE level > 0;

-- duckdb: SELECT approx_count_distinct(symbol) AS n FROM bars
SELECT approx_distinct(symbol) AS n FROM bars;

-- times without seconds
SELECT count(*) AS n, min(ts) AS first FROM bars WHERE ts >= '2024-01-01 00:30' AND ts < '2024-01-01T00:40'
AND ts <> TIMESTAMP '2024-01-01 00:31';

-- the value at an end
SELECT symbol, max_by(close, ts) AS c, min_by(close, ts) AS o, max_by(ts, volume) AS t FROM bars WHERE
timeframe = '1d' GROUP BY symbol ORDER BY symbol;

SELECT max_by(symbol, close) AS a, min_by(symbol, close) AS b FROM bars;

SELECT symbol, max_by(title, level) AS a, min_by(tag, ts) AS b FROM notes WHERE symbol = 'AAA' GROUP BY symbol;

SELECT max_by(title, level) AS a FROM notes WHERE false;

SELECT symbol, max_by(close, volume) FILTER (WHERE close < 100) AS a FROM bars WHERE timeframe = '1m' GROUP BY
symbol ORDER BY symbol;

SELECT symbol, ts, max_by(ts, high) OVER (PARTITION BY symbol ORDER BY ts ROWS 9 PRECEDING) AS a FROM bars
WHERE timeframe = '1d' ORDER BY symbol, ts;

-- duckdb: SELECT symbol, first(close ORDER BY ts) AS a, last(close ORDER BY ts) AS b FROM bars WHERE timeframe = '1m' GROUP BY symbol ORDER BY symbol
SELECT symbol, first_value(close ORDER BY ts) AS a, last_value(close ORDER BY ts) AS b FROM bars WHERE
timeframe = '1m' GROUP BY symbol ORDER BY symbol;

-- QUALIFY
SELECT symbol, ts, volume, row_number() OVER (PARTITION BY symbol ORDER BY volume DESC NULLS LAST, ts) AS n
FROM bars WHERE timeframe = '1d' QUALIFY n <= 2 ORDER BY symbol, n;

SELECT symbol, ts, close FROM bars WHERE timeframe = '1m' QUALIFY close > 1.005 * lag(close, 10) OVER
(PARTITION BY symbol ORDER BY ts) ORDER BY symbol, ts;

SELECT symbol, max(close) AS top FROM bars GROUP BY symbol QUALIFY rank() OVER (ORDER BY max(close) DESC NULLS
LAST) <= 3 ORDER BY top DESC;

SELECT symbol, ts, seq FROM trades QUALIFY count(*) OVER (PARTITION BY symbol, ts, price, size, side) > 1
ORDER BY symbol, ts, seq;

SELECT symbol, ts FROM bars WHERE timeframe = '1d' QUALIFY ts = max(ts) OVER (PARTITION BY symbol) ORDER BY
symbol;

-- DISTINCT ON
SELECT DISTINCT ON (symbol) symbol, ts, close FROM bars ORDER BY symbol, ts DESC;

SELECT DISTINCT ON (symbol, side) symbol, side, ts, seq, price FROM trades ORDER BY symbol, side NULLS LAST,
ts, seq;

SELECT DISTINCT timeframe, symbol FROM bars ORDER BY timeframe, symbol;

SELECT DISTINCT level FROM notes ORDER BY level NULLS LAST;

-- limits
SELECT symbol, ts FROM bars ORDER BY ts DESC, symbol LIMIT 5;

SELECT symbol, ts FROM bars ORDER BY symbol, ts LIMIT 3 OFFSET 100;

SELECT symbol, ts FROM bars ORDER BY symbol, ts OFFSET 1300;

SELECT * FROM (SELECT symbol, ts, close FROM bars WHERE timeframe = '1d' AND close IS NOT NULL ORDER BY close
DESC, symbol, ts LIMIT 5) AS t ORDER BY symbol, ts;

SELECT count(*) AS n FROM (SELECT * FROM bars LIMIT 10) AS t;

SELECT symbol, ts FROM bars WHERE timeframe = '1m' ORDER BY abs(close - open) DESC, symbol, ts LIMIT 5;

-- columns
SELECT * EXCLUDE (open_interest, final, adj_close) FROM bars WHERE timeframe = '1h' ORDER BY ts;

SELECT * FROM notes ORDER BY symbol, ts;

SELECT * FROM holdings ORDER BY symbol NULLS LAST, account;

SELECT * REPLACE (round(close) AS close) FROM bars WHERE timeframe = '1h' ORDER BY ts;

SELECT * FROM bars WHERE timeframe = '1d' ORDER BY symbol, ts;

SELECT source, symbol, ts, seq, price, size, side FROM trades ORDER BY symbol, ts, seq;

SELECT b.* EXCLUDE (open_interest), h.account FROM bars b JOIN holdings h USING (symbol) WHERE b.ts =
'2024-01-03' ORDER BY symbol, account;

SELECT symbol AS "Symbol", close AS "a b" FROM bars WHERE timeframe = '1h' ORDER BY ts LIMIT 2;

SELECT v.a, v.b FROM (VALUES (1, 'x'), (2, 'y'), (NULL, 'z')) AS v(a, b) ORDER BY v.b;

FROM bars SELECT count(*) AS n;

SELECT count() AS n FROM bars;

-- casts
SELECT CAST('1e3' AS DOUBLE) AS a, CAST(' 12 ' AS BIGINT) AS b, CAST('true' AS BOOLEAN) AS c, CAST('f' AS
BOOLEAN) AS d, CAST(1 AS BOOLEAN) AS e, CAST(true AS INTEGER) AS f, CAST('2024-02-29' AS DATE) AS g;

SELECT TRY_CAST('abc' AS BIGINT) AS a, TRY_CAST('2024-02-30' AS DATE) AS b, TRY_CAST('9223372036854775808' AS
BIGINT) AS c, TRY_CAST('1.5' AS DOUBLE) AS d;

SELECT title, TRY_CAST(title AS DATE) AS d, TRY_CAST(tag AS BIGINT) AS n FROM notes ORDER BY symbol, ts;

SELECT CAST(amount AS INTEGER) AS a FROM notes WHERE abs(amount) < 2000000000 ORDER BY symbol, ts;

SELECT CAST(CAST(rate AS REAL) AS DOUBLE) AS a FROM notes WHERE abs(rate) < 100 ORDER BY symbol, ts;

SELECT symbol, ts FROM notes WHERE level = '2' ORDER BY symbol, ts;

SELECT level::DOUBLE / 3 AS a, amount::VARCHAR AS b, '2024-01-31'::DATE AS c FROM notes ORDER BY symbol, ts;

SELECT 1 = 1.0 AS a, '1' = 1 AS b, CAST(9007199254740993 AS BIGINT) = CAST(9007199254740992 AS DOUBLE) AS c;

-- lists
-- duckdb: SELECT [1, 2, 3] AS a, len([1, 2, 3]) AS b, [1, 2, 3][2] AS c
SELECT [1, 2, 3] AS a, array_length([1, 2, 3]) AS b, [1, 2, 3][2] AS c;

SELECT symbol, array_agg(close ORDER BY ts) AS l FROM bars WHERE timeframe = '1h' GROUP BY symbol;

SELECT unnest([1, 2, 3]) AS a ORDER BY a;

SELECT i FROM generate_series(1, 5) AS g(i) ORDER BY i;

SELECT array_contains([1, 2], 2) AS a, array_position(['a', 'b'], 'b') AS b, array_to_string(['a', 'b'], '-')
AS c;

SELECT string_to_array('a|b|c', '|') AS a;

SELECT list_sort([3, 1, 2]) AS a, list_distinct([1, 1]) AS b;

-- between and in
SELECT symbol, ts FROM notes WHERE level BETWEEN 6 AND 9 ORDER BY symbol, ts;

SELECT symbol, ts FROM notes WHERE level NOT BETWEEN 6 AND 9 ORDER BY symbol, ts;

SELECT symbol, ts FROM notes WHERE tag IN ('x', '', 'é') ORDER BY symbol, ts;

SELECT symbol, ts FROM notes WHERE tag NOT IN ('x', '') ORDER BY symbol, ts;

SELECT symbol, ts, close FROM bars WHERE symbol IN ('AAA', 'BRK.B') AND timeframe = '1d' AND ts IN
('2023-12-13', '2024-01-02') ORDER BY symbol, ts;

SELECT symbol, ts FROM bars WHERE (symbol = 'AAA' OR symbol = 'HOUR') AND NOT (close > 50 OR timeframe = '1d')
ORDER BY ts;

SELECT symbol, count(*) AS n FROM bars WHERE ts < '2024-01-01T02:00:00' AND ts >= '2024-01-01T01:58:00' GROUP
BY symbol ORDER BY symbol;

SELECT symbol, close FROM bars WHERE ts = '2023-12-13' OR ts = '2023-12-15' ORDER BY symbol, ts;

SELECT symbol, ts, close FROM bars WHERE close BETWEEN 51.2 AND 51.3 OR volume = 77 ORDER BY symbol, ts;

-- spans of time
WITH g AS (SELECT symbol, ts, ts - lag(ts) OVER (PARTITION BY symbol ORDER BY ts) AS step FROM bars) SELECT
symbol, count(*) AS n FROM g WHERE step >= INTERVAL '1 day' AND step < INTERVAL '96 hours' GROUP BY symbol
ORDER BY symbol;

WITH g AS (SELECT symbol, ts, ts - lag(ts) OVER (PARTITION BY symbol ORDER BY ts) AS step FROM bars) SELECT
symbol, ts FROM g WHERE step BETWEEN INTERVAL '2 days' AND INTERVAL '1 week' OR INTERVAL '20 days' < step
ORDER BY symbol, ts;

SELECT symbol, ts, ts - lag(ts) OVER (PARTITION BY symbol ORDER BY ts) = INTERVAL '1 day' AS a FROM bars WHERE
timeframe = '1d' ORDER BY symbol, ts;

SELECT TIMESTAMP '2024-01-05' - TIMESTAMP '2024-01-01' > INTERVAL '3 days' AS a, TIMESTAMP '2024-01-05' -
TIMESTAMP '2024-01-01' > INTERVAL '5 days' AS b;

SELECT symbol, max(ts) - min(ts) > INTERVAL '1 month' AS a, max(ts) - min(ts) > INTERVAL '2 weeks' AS b FROM
bars GROUP BY symbol ORDER BY symbol;

SELECT symbol, ts, CASE WHEN ts - lag(ts) OVER (PARTITION BY symbol ORDER BY ts, seq) <> INTERVAL '0 seconds'
THEN 1 ELSE 0 END AS a, seq FROM trades ORDER BY symbol, ts, seq;

SELECT INTERVAL '1 day' < INTERVAL '25 hours' AS a, INTERVAL '24 hours' = INTERVAL '1 day' AS b;

-- conversions that barn has no word for
SELECT CAST(sign(level) AS BIGINT) AS a FROM notes ORDER BY symbol, ts;

SELECT symbol, arg_max(close, ts) AS a FROM bars GROUP BY symbol ORDER BY symbol;

SELECT symbol, any_value(timeframe) AS a FROM bars GROUP BY symbol ORDER BY symbol;

-- resampling by the words of each
-- duckdb: SELECT symbol, time_bucket(INTERVAL '15 minutes', ts) AS bucket, arg_min(open, ts) AS open, arg_max(close, ts) AS close FROM bars GROUP BY 1, 2 ORDER BY 1, 2
SELECT symbol, time_bucket(INTERVAL '15 minutes', ts) AS bucket, first(open, ts) AS open, last(close, ts) AS
close FROM bars GROUP BY 1, 2 ORDER BY 1, 2;

SELECT symbol, strftime(ts, '%Y-%m-%d %H:%M') AS t, CAST(epoch(ts) AS BIGINT) AS e FROM bars ORDER BY symbol,
ts;

-- duckdb: SELECT symbol, ts, arg_min(close, ts) OVER (PARTITION BY symbol ORDER BY ts ROWS 4 PRECEDING) AS a, arg_max(volume, ts) OVER (PARTITION BY symbol ORDER BY ts ROWS 4 PRECEDING) AS b FROM bars WHERE timeframe = '1d' ORDER BY symbol, ts
SELECT symbol, ts, first(close, ts) OVER (PARTITION BY symbol ORDER BY ts ROWS 4 PRECEDING) AS a, last(volume,
ts) OVER (PARTITION BY symbol ORDER BY ts ROWS 4 PRECEDING) AS b FROM bars WHERE timeframe = '1d' ORDER BY
symbol, ts;

-- what binds closer
SELECT NOT 1 = 2 AS a, NOT true OR true AS b, 2 * 3 + 4 % 3 AS c, -2 * -3 AS d, 10 - 4 - 3 AS e, 1 + 2 = 3 AND
4 > 3 AS f, 1 = 1 OR 1 = 2 AND 1 = 3 AS g;

SELECT NULL IS NULL AND false AS a, 1 = 2 IS NULL AS b, NOT NULL IS NULL AS c, -5 % 3 AS d, (1 = 1) IS TRUE
AND false AS e, NOT 1 IS NULL AND false AS f;

SELECT CASE WHEN 1 = 1 THEN 2 END + 3 AS a, CAST('3' AS BIGINT) + 4 AS b, coalesce(NULL, 1) + 1 AS c;

SELECT symbol, ts FROM notes WHERE NOT level = 3 AND NOT ok ORDER BY symbol, ts;

SELECT symbol, ts FROM notes WHERE NOT level BETWEEN 3 AND 5 OR ok ORDER BY symbol, ts;

SELECT symbol, ts FROM notes WHERE level > 3 IS TRUE AND ok ORDER BY symbol, ts;

SELECT symbol, ts FROM notes WHERE ok IS NOT TRUE AND level > 2 ORDER BY symbol, ts;

SELECT symbol, ts FROM notes WHERE ok IS UNKNOWN OR level > 9 ORDER BY symbol, ts;

SELECT symbol, ts FROM notes WHERE level = ok::BIGINT + 1 ORDER BY symbol, ts;

SELECT count(*) AS n FROM bars WHERE CASE WHEN symbol IN (SELECT symbol FROM holdings) THEN true WHEN symbol
IS NULL OR EXISTS (SELECT 1 FROM holdings WHERE symbol IS NULL) THEN NULL ELSE false END OR close < 0;

SELECT count(*) AS n FROM bars WHERE NOT CASE WHEN symbol IN (SELECT symbol FROM holdings) THEN true WHEN
symbol IS NULL OR EXISTS (SELECT 1 FROM holdings WHERE symbol IS NULL) THEN NULL ELSE false END OR close < 0;

SELECT 'a' || 'b' = 'ab' AS a, 'ab' LIKE 'a' || '%' AS b, NOT 'ab' LIKE 'b%' AS c, 5 BETWEEN 1 AND 3 + 3 AND
true AS d, NOT 5 IN (1, 2) AS e;

-- Statements that differ. README.md has a table of them.

-- frames by rows
-- differs: the correlation of equal values is null in barn, as in PostgreSQL, NaN in DuckDB
SELECT symbol, corr(price, size) AS c FROM trades WHERE symbol = 'DOGE' GROUP BY symbol;

-- differs: the correlation of fewer than two pairs is null in barn, NaN in DuckDB
SELECT symbol, ts, corr(open, close) OVER (PARTITION BY symbol ORDER BY ts ROWS 29 PRECEDING) AS c FROM bars
WHERE timeframe = '1m' AND symbol = 'SYM001' AND ts >= '2024-01-01T01:00:00' ORDER BY ts;

-- semi and anti joins
-- differs: barn compares one column with a subquery, not several
SELECT symbol, ts FROM notes WHERE (symbol, level) IN (SELECT symbol, max(level) FROM notes GROUP BY symbol)
ORDER BY 1, 2;

-- differs: IN a subquery only as a condition in barn
SELECT symbol, symbol IN (SELECT symbol FROM bars) AS a FROM holdings ORDER BY symbol NULLS LAST, account;

-- correlated subqueries
-- differs: barn has no LIMIT in a lateral subquery
SELECT h.symbol, h.account, l.ts, l.close FROM holdings h, LATERAL (SELECT ts, close FROM bars b WHERE
b.symbol = h.symbol AND b.timeframe = '1d' ORDER BY ts DESC LIMIT 2) AS l ORDER BY 1, 2, 3;

-- differs: barn refuses IS DISTINCT FROM before AND and OR: its parser takes them for the right side
SELECT ok IS DISTINCT FROM true AND level > 3 AS a FROM notes ORDER BY symbol, ts;

-- differs: a subquery for one value depends on its row only by equality in barn
SELECT symbol, count(*) AS n FROM notes n WHERE level >= (SELECT max(level) FROM notes m WHERE m.symbol =
n.symbol AND m.ts < n.ts) GROUP BY symbol ORDER BY symbol;

-- differs: a subquery for one value depends on its row only by equality in barn
SELECT symbol, ts, (SELECT count(*) FROM notes m WHERE m.symbol = n.symbol AND m.level < n.level) AS r FROM
notes n ORDER BY symbol, ts;

-- set operations
-- differs: barn refuses EXCEPT ALL: its planner would answer as if it were no ALL
SELECT symbol FROM notes EXCEPT ALL SELECT symbol FROM holdings ORDER BY 1;

-- differs: barn refuses INTERSECT ALL: its planner would answer with every row of the left side that is in the right
SELECT symbol FROM bars WHERE timeframe = '1d' INTERSECT ALL SELECT symbol FROM notes ORDER BY 1;

-- dates
-- differs: a date and an interval make a date in barn, a timestamp in DuckDB
SELECT DATE '2024-01-31' + INTERVAL '1 month' AS a, DATE '2024-03-31' - INTERVAL '1 month' AS b, DATE
'2023-12-31' + INTERVAL '2 months' AS c;

-- differs: barn has no date_diff: `a - b`, or `epoch(a) - epoch(b)`
SELECT date_diff('day', TIMESTAMP '2024-01-01', TIMESTAMP '2024-03-01') AS d;

-- nulls and logic of three values
-- differs: nulls sort as the largest values in barn, as in PostgreSQL; in DuckDB always last
SELECT symbol, ts, level FROM notes ORDER BY level DESC, symbol, ts;

-- infinities and what is not a number
-- differs: the root of a negative number is an error in barn
SELECT sqrt(CAST(-1 AS DOUBLE)) AS a;

-- decimals
-- differs: decimals divide to a decimal in barn, to a double in DuckDB
SELECT CAST('10.00' AS DECIMAL(10, 2)) / CAST('3.00' AS DECIMAL(10, 2)) AS a;

-- differs: a number with a point is a double in barn, a decimal in DuckDB
SELECT 0.1 + 0.2 = 0.3 AS a;

-- differs: a cast to a whole number cuts the fraction off in barn, rounds in DuckDB
SELECT CAST(12.5 AS BIGINT) AS a, CAST(13.5 AS BIGINT) AS b, CAST(-12.5 AS BIGINT) AS c, CAST(CAST(2.7 AS
DOUBLE) AS BIGINT) AS d;

-- whole numbers
-- differs: whole numbers divide to a whole number in barn, as in PostgreSQL; to a double in DuckDB
SELECT 7 / 2 AS a, -7 / 2 AS b;

-- differs: a whole number divided by zero is an error in barn, as in PostgreSQL
SELECT 1 / 0 AS a;

-- differs: a sum of whole numbers that needs more than 64 bits is an error in barn; DuckDB has 128
SELECT sum(amount) AS a FROM notes WHERE amount > 0;

-- differs: barn has no minus before a rank or a row_number, which DataFusion counts without a sign
SELECT -row_number() OVER (ORDER BY ts) AS a FROM notes;

-- text
-- differs: a negative start lies before the text in barn, as in PostgreSQL; counts from its end in DuckDB
SELECT substr('hello', -2) AS a;

-- differs: barn has no digests
SELECT md5('barn') AS a;

-- differs: a time cast to text has the form of RFC 3339 in barn: `strftime` makes others
SELECT CAST(ts AS VARCHAR) AS a FROM bars WHERE timeframe = '1h' ORDER BY ts;

-- differs: the capital of ß is SS in barn, as Unicode has it, ẞ in DuckDB
SELECT upper('straße') AS a;

-- patterns
-- differs: LIKE knows no other escape than the backslash in barn
SELECT title FROM notes WHERE title LIKE '%!%%' ESCAPE '!' ORDER BY symbol, ts;

-- differs: the backslash escapes in LIKE of barn, as in PostgreSQL; in DuckDB only with ESCAPE
SELECT title FROM notes WHERE title LIKE '%\%' ORDER BY symbol, ts;

-- differs: barn refuses SIMILAR TO: its planner would search the pattern anywhere in the text
SELECT title FROM notes WHERE title SIMILAR TO '(a|A)pple' ORDER BY symbol, ts;

-- CASE
-- differs: barn has no if: CASE
SELECT if(1 > 0, 'a', 'b') AS a;

-- groups
-- differs: barn has no ORDER BY ALL
SELECT symbol, side, count(*) AS n FROM trades GROUP BY ALL ORDER BY ALL;

-- limits
-- differs: barn has no FETCH: LIMIT
SELECT symbol, ts FROM bars ORDER BY ts, symbol FETCH FIRST 2 ROWS ONLY;

-- columns
-- differs: a name that SELECT gives cannot be used beside it in barn, as in PostgreSQL
SELECT close AS c, c * 2 AS d FROM bars WHERE timeframe = '1h' ORDER BY ts LIMIT 2;

-- differs: a column without a name is called after the expression, as each writes it
SELECT 1, 2;

-- conversions that barn has no word for
-- differs: the same column twice takes another name in barn
SELECT close, close FROM bars WHERE timeframe = '1h' ORDER BY ts;

-- differs: barn has no ASOF JOIN
SELECT b.symbol, b.ts, n.title FROM bars b ASOF JOIN notes n ON n.symbol = b.symbol AND n.ts <= b.ts WHERE
b.timeframe = '1d' ORDER BY b.symbol, b.ts;

-- differs: barn has no PIVOT: `FILTER` or CASE
PIVOT (SELECT symbol, timeframe, close FROM bars) ON timeframe USING count(*) GROUP BY symbol ORDER BY symbol;

-- differs: first and last take what they go by in barn: `first(x, ts)`
SELECT first(close ORDER BY ts) AS a FROM bars WHERE symbol = 'SYM001';

-- differs: barn has no mode, skewness, kurtosis, histogram, product, count_if
SELECT mode(side) AS m FROM trades WHERE symbol = 'ETH';

-- differs: barn refuses TABLESAMPLE: its planner would answer with all rows
SELECT symbol, ts FROM bars TABLESAMPLE 10 ROWS;
