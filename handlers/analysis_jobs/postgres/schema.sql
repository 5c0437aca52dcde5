-- `Database.once` records here which effect of which job is done. Create the table with your own migrations. The worker's
-- role needs SELECT and INSERT on it. You may delete a row after the job's row has expired (retention.jobs_days of the
-- module).
CREATE TABLE IF NOT EXISTS analysis_jobs_effects (
    tenant  text        NOT NULL,
    job_id  text        NOT NULL,
    effect  text        NOT NULL,
    done_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, job_id, effect)
);
