-- Where a key was used with success, to the hour, so that a list can be offered that leaves nobody out.
create table api_key_addresses (
  dealer_id uuid not null,
  api_key_id uuid not null,
  address text not null,
  last_at timestamptz not null,
  primary key (dealer_id, api_key_id, address)
);
create index api_key_addresses_age on api_key_addresses (last_at);
insert into api_key_addresses (dealer_id, api_key_id, address, last_at)
select dealer_id, api_key_id, address, max(at)
from api_key_requests
where status between 200 and 399 and address <> '' and at > clock_timestamp() - interval '14 days'
group by 1, 2, 3;
