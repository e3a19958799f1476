//! Every configuration that the project shows to people loads: the twins in `configs/` to equal models, the snippets
//! of the documentation, and the keepalived.conf files that people wrote in articles.
