/* Findings about the platform, one a line, and as JSON. */
#include <stdio.h>

#include "report_internal.h"
#include "segmpi/report.h"
#include "segmpi/text.h"

static const char *const verdict_names[] = { "ok", "note", "bad" };

#define MARGIN 25

static int count_of(const seg_findings *findings, seg_verdict verdict)
{
    int n = 0;

    for (int i = 0; i < findings->n; i++)
        n += findings->item[i].verdict == verdict;
    return n;
}

void seg_report_doctor(const seg_findings *findings)
{
    int notes = count_of(findings, SEG_VERDICT_NOTE), bad = seg_findings_bad(findings);
    char clean[160];

    for (int i = 0; i < findings->n; i++) {
        const seg_finding *f = &findings->item[i];
        printf("  %-5s %-15s  %s\n", verdict_names[f->verdict], f->name,
               seg_text_clean(f->value, clean, sizeof clean));
        if (*f->advice) report_paragraph(MARGIN, f->advice);
    }
    printf("\n%d checks: %d bad, %d note%s\n", findings->n, bad, notes, REPORT_S(notes));
}

seg_json *seg_report_doctor_json(const seg_findings *findings)
{
    seg_json *json = seg_json_object(), *list = seg_json_array();

    for (int i = 0; i < findings->n; i++) {
        const seg_finding *f = &findings->item[i];
        seg_json *item = seg_json_object();
        seg_json_add_text(item, "name", f->name);
        seg_json_add_text(item, "verdict", verdict_names[f->verdict]);
        seg_json_add_text(item, "value", f->value);
        if (*f->advice) seg_json_add_text(item, "advice", f->advice);
        seg_json_add(list, NULL, item);
    }
    seg_json_add_bool(json, "safe", seg_findings_bad(findings) == 0);
    seg_json_add(json, "findings", list);
    return json;
}
