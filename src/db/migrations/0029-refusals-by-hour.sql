-- no transaction

-- Many failures within an hour are told of: those of this hour are found without those of the last 90 days.
create index concurrently if not exists refusals_hour on refusals (hour);
