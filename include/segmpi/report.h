/* Words and tables for people, on standard output, and the same figures as JSON.  Nothing is
 * decided or computed here.  Local (seg_report_timing excepted); called on the rank that speaks.
 * Text that comes from files is made safe for a terminal. */
#pragma once

#include <stdbool.h>

#include "segmpi/compare.h"
#include "segmpi/describe.h"
#include "segmpi/doctor.h"
#include "segmpi/elbow.h"
#include "segmpi/json.h"
#include "segmpi/model.h"
#include "segmpi/score.h"
#include "segmpi/store.h"
#include "segmpi/table.h"

/* Clients, preparation, clusters with their centers in the units of the columns, components. */
void seg_report_model(const seg_model *model);
/* The same figures; *out owned by the caller (seg_json_free).  Labels are not part of it. */
seg_status seg_report_model_json(const seg_model *model, seg_json **out);

/* Tables of the columns, the strongest correlations, columns that others make up and gaps in words.
 * `d` is full. */
void seg_report_describe(const seg_describe *d);
/* All of its figures; owned by the caller (seg_json_free). */
seg_json *seg_report_describe_json(const seg_describe *d);
/* A line for each k, which k each rule names, and the recommended one with its reason.  Of
 * a model that a sweep has filled, or an elbow.h5. */
seg_status seg_report_elbow(const seg_model *model);
/* The same figures, owned by the caller (seg_json_free). */
seg_json *seg_report_elbow_json(const seg_model *model);

/* What was written to `path` and, unless NULL, csv_path; as JSON owned by the caller
 * (seg_json_free). */
void seg_report_score(const char *path, const char *csv_path, const seg_model *model,
                      const seg_score_summary *summary);
seg_json *seg_report_score_json(const seg_model *model, const seg_score_summary *summary);

void seg_report_plan(const seg_plan *plan);
/* A note on standard error: fits that advance together, and their memory. */
void seg_report_elbow_memory(const seg_plan *plan);
/* A note on standard error where clients go to a scratch file. */
void seg_report_scratch(int64_t bytes, const char *folder);
void seg_report_import(const char *path, const seg_csv_summary *summary);
/* csv_path may be NULL. */
void seg_report_generate(const char *path, const char *csv_path, int64_t n);

typedef struct seg_page_opts {
    const char *folder;
    const char *scores;   /* scores.h5 of this model; NULL: none */
    const char *compared; /* document of segmpi compare; NULL: none */
    bool force;           /* replace an older report */
} seg_page_opts;

/* A folder with report.html, figures, model card and profiles of a model; it is complete or not
 * there. */
seg_status seg_report_page(seg_input *in, const seg_page_opts *opts);

/* A file: a model or a table in words, any other HDF5 file as a listing. */
seg_status seg_report_file(seg_input *in);
/* Its pictures in the terminal, by gnuplot: histograms and correlations of a description.
 * SEG_ERR_USAGE if there is nothing to draw. */
seg_status seg_report_plot(seg_input *in);
/* All attributes of provenance and provenance/run; SEG_ERR_DATA if there are none. */
seg_status seg_report_provenance(seg_input *in);
/* `in` has been checked, with this number of blocks of row data. */
void seg_report_check(const seg_input *in, int64_t n_blocks);

/* Tables of drift, shares, migration and distances. */
seg_status seg_report_compare(const seg_comparison *c);
/* The same figures, owned by the caller (seg_json_free). */
seg_json *seg_report_compare_json(const seg_comparison *c);

/* A model as one SELECT that labels the rows of a table. */
typedef struct seg_sql_opts {
    const char *table; /* may be schema.table */
    const char *id;    /* the column that identifies clients */
    bool materialized; /* steps AS MATERIALIZED, which is no standard */
} seg_sql_opts;

/* *text owned by the caller (free, not seg_free).  SEG_ERR_DATA for an autoencoder. */
seg_status seg_report_sql(const seg_model *model, const char *model_id, const seg_sql_opts *opts,
                          char **text);

/* What `doctor` has found; as JSON owned by the caller (seg_json_free). */
void seg_report_doctor(const seg_findings *findings);
seg_json *seg_report_doctor_json(const seg_findings *findings);

/* Collective.  The phases of the run on standard error: seconds, GB/s, share of waiting, memory;
 * the largest of all ranks. */
void seg_report_timing(seg_comm *comm);
