-- The trigger writes with the rights of its owner: an original server may connect as a role that may only INSERT into
-- and SELECT from "values". Its search path is fixed, because that role's may lead to other tables; pg_temp comes last,
-- or a temporary table could take the place of ours.
DO $$
DECLARE
    home CONSTANT text := (SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = 'indices'::regclass);
BEGIN
    EXECUTE format('ALTER FUNCTION note_indices() SECURITY DEFINER SET search_path = %s, pg_temp', home);
END
$$;
