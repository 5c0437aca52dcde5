-- What `Database.once` remembers: which effect of which job is done. Your migrations create it beside your own tables; the
-- worker's role needs SELECT and INSERT. A row may go once its job's row has gone (retention.jobs_days of the module).
CREATE TABLE IF NOT EXISTS analysis_jobs_effects (
    tenant  text        NOT NULL,
    job_id  text        NOT NULL,
    effect  text        NOT NULL,
    done_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, job_id, effect)
);
