"""From the records of a run to tables, figures and a page. Nothing here knows how a run was made."""
