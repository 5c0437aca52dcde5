-- The tables that the worker needs. Create them with your migrations. The local cloud creates them from this file.
CREATE TABLE IF NOT EXISTS documents (
    tenant     text        NOT NULL,
    id         text        NOT NULL,
    status     text        NOT NULL DEFAULT 'uploaded'
               CHECK (status IN ('uploaded', 'review_pending', 'accepted', 'rejected')),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, id)
);

-- One row for each job. A document that is submitted again gets another row.
CREATE TABLE IF NOT EXISTS extraction_results (
    job_id          text        PRIMARY KEY,
    tenant          text        NOT NULL,
    document_id     text        NOT NULL,
    kind            text        NOT NULL,
    kind_confidence real        NOT NULL,
    fields          jsonb       NOT NULL,
    confidence      jsonb       NOT NULL,
    findings        jsonb       NOT NULL,
    needs_review    boolean     NOT NULL,
    extracted_at    timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (tenant, document_id) REFERENCES documents (tenant, id)
);
CREATE INDEX IF NOT EXISTS extraction_results_by_document ON extraction_results (tenant, document_id, extracted_at);

-- The library's own table records which effect of which job is done.
CREATE TABLE IF NOT EXISTS analysis_jobs_effects (
    tenant  text        NOT NULL,
    job_id  text        NOT NULL,
    effect  text        NOT NULL,
    done_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, job_id, effect)
);
