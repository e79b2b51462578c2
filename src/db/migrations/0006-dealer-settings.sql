-- How long a dealer keeps the log of what its API keys asked.
alter table dealers add column request_log_days integer not null default 14 check (request_log_days between 1 and 90);
