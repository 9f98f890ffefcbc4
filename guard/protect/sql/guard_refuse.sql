CREATE OR REPLACE FUNCTION rowback.guard_refuse(rowback_op text, rowback_limit bigint, rowback_mark bigint) RETURNS void
LANGUAGE plpgsql AS $rowback$
-- Refuses the transaction.
BEGIN
	RAISE EXCEPTION USING ERRCODE = 'RB001',
		MESSAGE = rowback.guard_over(rowback_op, rowback_limit, rowback_mark, 'would remove', 'would bring'),
		DETAIL = 'Nothing was removed. This came from the triggers of rowback protect, not from the proxy: of what they refuse only the server''s log keeps a record.',
		HINT = concat('Delete in separate transactions of at most ', rowback_limit, ' rows, connect through rowback''s proxy (if this did, an operator lets its role in: rowback protect install --proxy-role ROLE) and ask for an allowance, ',
			'or ask an operator to raise the limit (rowback protect install --table … --threshold …).');
END
$rowback$
