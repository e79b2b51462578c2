-- How far the linker has come in the events of each dealer. `seen` is the last event that there was when it held the
-- dealer's clock, and until `rests_until` it does not take it again, in whichever process.
create table linker_cursors (
  dealer_id uuid primary key references dealers,
  seq bigint not null,
  seen bigint not null,
  rests_until timestamptz not null
);

-- What was linked or suggested by a value before it was known that many share it is looked at again; then it is settled.
alter table customer_stop_values add column settled_at timestamptz;
create index customer_stop_values_unsettled on customer_stop_values (dealer_id) where settled_at is null;
