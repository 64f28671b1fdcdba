-- With the line endings of Windows.
SELECT 1;
