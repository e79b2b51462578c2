-- Written to find out whether anything can be: a row for each process, so that none waits for another. A full disk has still place for
-- a row in a page that is there; the filling, which is not compressed, needs pages of its own, as leads do.
create table readiness (
  process smallint primary key,
  at timestamptz not null,
  filling bytea
);
alter table readiness alter column filling set storage external;
