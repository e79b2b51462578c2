-- Failed attempts to sign in and the like, counted in a fixed number of places of each kind. Unlogged: a flood of them
-- writes no log, and all that a crash forgets is the failures of the last quarter of an hour.
create unlogged table attempts (
  kind text not null,
  place integer not null,
  failures integer not null,
  ends_at timestamptz not null,
  primary key (kind, place)
) with (fillfactor = 70);
