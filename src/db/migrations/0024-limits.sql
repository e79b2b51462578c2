/*
 * How much of a limit is used, one row for each key (`holder_id`) and name. What was used comes back at so much a second,
 * or, of a limit by the day, with the next day (UTC). Processes take from it in shares ahead, so that no request waits
 * for a row here or writes one. Who is no dealer of this database (its token is of one that was put back) must not fail
 * the shares of others, so nothing is referred to.
 */
create table limit_levels (
  dealer_id uuid not null,
  holder_id uuid not null,
  name text not null,
  spent double precision not null default 0 check (spent >= 0),
  at timestamptz not null default clock_timestamp(),
  primary key (dealer_id, holder_id, name)
) with (fillfactor = 50);

-- What an Admin chose for a key instead of the service's own limit.
create table own_limits (
  dealer_id uuid not null references dealers,
  holder_id uuid not null,
  name text not null,
  most double precision not null check (most >= 0),
  per_second double precision check (per_second > 0),
  primary key (dealer_id, holder_id, name)
);

-- What of it is still used at this moment. Without `per_second` it is one by the day.
create function used_of(spent double precision, at timestamptz, per_second double precision) returns double precision
language sql volatile parallel safe
return case
  when per_second is not null
    then greatest(0, spent - per_second * greatest(0, extract(epoch from clock_timestamp() - at)))
  when (at at time zone 'UTC')::date = (clock_timestamp() at time zone 'UTC')::date then spent
  else 0
end;

/*
 * Shares for a process, all or none of what each needs. What is granted is at most a quarter of what is free: the less
 * there is, the less lies with processes that have no use for it. What a crash forgets is at worst granted twice, so
 * nobody waits for the disk.
 */
create function take_shares(
  dealers uuid[],
  holders uuid[],
  names text[],
  givens double precision[],
  needs double precision[],
  wants double precision[],
  mosts double precision[],
  rates double precision[]
) returns table (
  place bigint,
  granted double precision,
  free double precision,
  most double precision,
  per_second double precision,
  seconds_left double precision
)
language plpgsql
as $$
#variable_conflict use_column
declare
  asked record;
  level limit_levels%rowtype;
  used double precision;
begin
  perform set_config('synchronous_commit', 'off', true);

  -- In one order, here and below: two processes that ask for the same shares must not wait for each other.
  insert into limit_levels (dealer_id, holder_id, name)
  select a.dealer_id, a.holder_id, a.name
  from unnest(dealers, holders, names) as a(dealer_id, holder_id, name)
  order by 1, 2, 3
  on conflict do nothing;

  for asked in
    select a.*, o.dealer_id is not null as is_own, o.most as own_most, o.per_second as own_rate
    from unnest(dealers, holders, names, givens, needs, wants, mosts, rates) with ordinality
      as a(dealer_id, holder_id, name, given, need, want, most, rate, ord)
    left join lateral (
      select *
      from own_limits o
      where o.dealer_id = a.dealer_id and o.holder_id = a.holder_id and o.name = a.name
      limit 1
    ) o on true
    order by a.dealer_id, a.holder_id, a.name
  loop
    place := asked.ord;
    most := case when asked.is_own then asked.own_most else asked.most end;
    per_second := case when asked.is_own then asked.own_rate else asked.rate end;

    select l.*
    into level
    from limit_levels l
    where l.dealer_id = asked.dealer_id and l.holder_id = asked.holder_id and l.name = asked.name
    for update;
    -- By the time at which the row was had, not that at which it was asked for.
    used := greatest(0, used_of(level.spent, level.at, per_second) - asked.given);

    free := greatest(0, most - used);
    granted := case
      when free < asked.need then 0
      else least(free, greatest(asked.need, least(asked.want, ceil(free / 4))))
    end;
    free := free - granted;
    seconds_left := extract(epoch from
      (date_trunc('day', clock_timestamp() at time zone 'UTC') + interval '1 day') - (clock_timestamp() at time zone 'UTC'));

    update limit_levels l
    set spent = used + granted, at = clock_timestamp()
    where l.dealer_id = asked.dealer_id and l.holder_id = asked.holder_id and l.name = asked.name;
    return next;
  end loop;
end $$;
