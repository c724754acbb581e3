-- PostgreSQL keeps samples of what tables hold; SQLite does where somebody ran ANALYZE, and no plan needs them.
DROP TABLE IF EXISTS sqlite_stat1;
