-- no transaction

-- Dealers have their turns one after the other: the first mail that is due of each is found at once.
create index concurrently if not exists mails_due on mails (dealer_id, due_at) where state = 'due';
