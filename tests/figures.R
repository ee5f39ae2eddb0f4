# every figure of Tables 1 and 2 and of survival, by R with its packages survival and pROC; from the repository's root:
#   .venv/bin/python tests/test_against_r.py > study.csv
#   Rscript tests/figures.R study.csv tests/figures.csv
suppressMessages({library(survival); library(pROC)})

files <- commandArgs(TRUE)
study <- read.csv(files[1])
flags <- c("responder", "er", "pr", "her2", "recurrence")
study[flags] <- lapply(study[flags], as.logical)
study$lost <- !study$responder
test <- study[study$split == "test", ]
validation <- study[study$split == "validation", ]
learned <- study[study$split == "train", ]
models <- c("resnet_core", "resnet_core_margin", "ran_core", "ran_core_margin")
undone <- function(q) q / (q + 5 * (1 - q)) # a non-responder weighs 5 in training
seeds <- function(rows, model) sapply(rows[paste0(model, ".", 1:5)], undone)

# one figure: its call, as text, is what gives its value
keep <- function(name, call, ...) {
  name <- suppressWarnings(sprintf(name, ...))
  call <- suppressWarnings(sprintf(call, ...))
  value <- unlist(suppressWarnings(suppressMessages(eval(parse(text = call)))))
  value <- if (is.character(value)) value else sprintf("%.12g", value)
  figures <<- rbind(figures, data.frame(name, value = paste(value, collapse = " "), call))
}
figures <- NULL

# Table 1

group <- list(All = study, Training = study[study$split != "test", ], Test = test)
measured <- c(
  "Age" = "age_years", "Initial tumour size" = "initial_size_cm", "Residual tumour size" = "residual_size_cm"
)
shares <- c(
  "Molecular: ER+" = "er", "Molecular: PR+" = "pr", "Molecular: HER2+" = "her2",
  "Molecular: triple negative" = "!er & !pr & !her2", "Molecular: ER+/PR+/HER2+" = "er & pr & her2",
  "Molecular: ER+/PR+/HER2-" = "er & pr & !her2", "Molecular: ER-/PR-/HER2+" = "!er & !pr & her2",
  "Response: responder" = "responder", "Response: non-responder" = "lost"
)
for (column in c("histology", "grade", "treatment")) {
  for (word in unique(study[[column]])) {
    heading <- paste0(toupper(substring(column, 1, 1)), substring(column, 2), ": ", word)
    shares[heading] <- sprintf("%s == '%s'", column, word)
  }
}
for (of in names(group)) {
  keep("Table 1, Patients, %1$s", "nrow(group$%1$s)", of)
  for (row in names(measured)) {
    keep("Table 1, %2$s, %1$s", "with(group$%1$s, sprintf('%%.1f', c(mean(%3$s), sd(%3$s))))", of, row, measured[row])
  }
  for (row in names(shares)) {
    keep("Table 1, %2$s, %1$s", "with(group$%1$s, sprintf('%%.1f', 100 * mean(%3$s)))", of, row, shares[row])
  }
}
for (part in c("train", "validation", "test")) {
  keep("sets, %s", "with(study[study$split == '%s', ], c(sum(lost), sum(responder), sum(n_planes)))", part)
}
keep("response scores", "table(study$mr_score)")

# Table 2: value, low, high

proportions <- c(
  accuracy = "prop.test(sum((%2$s >= 0.5) == lost), length(lost), correct = FALSE)",
  specificity = "prop.test(sum(%2$s[!lost] < 0.5), sum(!lost), correct = FALSE)",
  sensitivity = "prop.test(sum(%2$s[lost] >= 0.5), sum(lost), correct = FALSE)"
)
wilson <- function(name, rows, score, measures = names(proportions)) {
  for (measure in measures) {
    call <- paste0("with(%1$s, ", proportions[measure], "[c('estimate', 'conf.int')])")
    keep(paste0(name, ", ", measure), call, rows, score)
  }
}
on_log_odds <- function(auc, variance) {
  plogis(qlogis(auc) + c(0, -1, 1) * qnorm(0.975) * sqrt(variance) / (auc * (1 - auc)))
}
of_logit <- function(roc) on_log_odds(auc(roc), var(roc, method = "delong"))
by_fold <- function(rows, score) {
  lapply(split(rows, rows$fold), function(one) roc(one$lost, one[[score]], direction = "<"))
}
crossed <- function(rocs) on_log_odds(mean(sapply(rocs, auc)), sum(sapply(rocs, var)) / length(rocs)^2)
spread <- function(values) c(mean(values), range(values))
loss <- function(lost, p) -mean(log(ifelse(lost, p, 1 - p)))

for (model in models) {
  for (part in c("validation", "test")) wilson(sprintf("Table 2, %s, %s", model, part), part, paste0(model, ".1"))
  keep("Table 2, %s, counts", "with(test, table(factor(%s.1 >= 0.5, c(TRUE, FALSE)), !lost))[c(1, 2, 4, 3)]", model)
  keep("Table 2, %s, loss", "with(validation, loss(lost, %s.1))", model)
  keep("Table 2, %s, AUC", "of_logit(roc(test$lost, test$%s.1, direction = '<'))", model)
  keep("AUC, %s, plain", "ci.auc(test$lost, test$%s.1, direction = '<', method = 'delong')[c(2, 1, 3)]", model)
  keep("AUC, %s, standard error", "sqrt(var(roc(test$lost, test$%s.1, direction = '<'), method = 'delong'))", model)
  keep("undone, %s, accuracy", "with(test, mean((undone(%s.1) >= 0.5) == lost))", model)
  keep("undone, %s, balanced accuracy",
       "with(test, (mean(undone(%1$s.1[lost]) >= 0.5) + mean(undone(%1$s.1[!lost]) < 0.5)) / 2)", model)
  keep("undone, %s, loss", "with(validation, loss(lost, undone(%s.1)))", model)
  keep("seeds, %s, AUC",
       "spread(apply(seeds(test, '%s'), 2, function(p) auc(roc(test$lost, p, direction = '<'))))", model)
  keep("seeds, %s, accuracy", "spread(colMeans((seeds(test, '%s') >= 0.5) == test$lost))", model)
  keep("seeds, %s, averaged", "of_logit(roc(test$lost, rowMeans(seeds(test, '%s')), direction = '<'))", model)
  keep("seeds, %s, of one patient", "median(apply(seeds(test, '%s'), 1, function(p) diff(range(p))))", model)
  keep("all patients, %s, AUC", "crossed(by_fold(study, '%s.crossed'))", model)
  wilson(sprintf("all patients, %s", model), "study", sprintf("undone(%s.crossed)", model), "accuracy")
}
keep("no information, test", "max(table(test$lost)) / nrow(test)")
keep("no information, all patients", "max(table(study$lost)) / nrow(study)")
keep("nothing, accuracy", "mean((mean(learned$lost) >= 0.5) == test$lost)")
keep("nothing, loss", "loss(validation$lost, mean(learned$lost))")

subgroups <- c("HER2+" = "her2", "ER+ or PR+, HER2-" = "(er | pr) & !her2", "triple negative" = "!(er | pr | her2)")
for (word in unique(study$treatment)) subgroups[paste("treatment:", word)] <- sprintf("treatment == '%s'", word)
for (name in names(subgroups)) {
  keep("subgroup, %1$s, patients", "with(study, c(sum(%2$s), sum(lost & %2$s)))", name, subgroups[name])
  wilson(paste("subgroup,", name), sprintf("subset(study, %s)", subgroups[name]), "undone(ran_core_margin.crossed)")
}

# models compared: difference, low, high, p of DeLong; only this right, only the other, p of McNemar

n_called <- max(1, round(mean(learned$lost) * nrow(test)))
called <- function(score) rank(-score, ties.method = "first") <= n_called
delong <- function(one, other) {
  rocs <- list(roc(test$lost, one, direction = "<"), roc(test$lost, other, direction = "<"))
  found <- roc.test(rocs[[1]], rocs[[2]], method = "delong", paired = TRUE)
  c(-diff(found$estimate), found$conf.int, found$p.value)
}
mcnemar <- function(one, other) {
  right <- list(called(one) == test$lost, called(other) == test$lost)
  only <- c(sum(right[[1]] & !right[[2]]), sum(right[[2]] & !right[[1]]))
  c(only, binom.test(only[1], sum(only))$p.value)
}
for (seed in c(1, 5)) for (pair in combn(paste0(models, ".", seed), 2, simplify = FALSE)) {
  for (way in c("delong", "mcnemar")) {
    keep("%3$s, %2$s against %1$s", "%3$s(test$%2$s, test$%1$s)", pair[1], pair[2], way)
  }
}

# survival

free <- "Surv(duration_years, recurrence)"
restricted <- function(rows, horizon) {
  summary(survfit(Surv(duration_years, recurrence) ~ 1, rows), rmean = horizon)$table[c("rmean", "se(rmean)")]
}
until <- function(rows, groups) {
  ends <- sapply(groups, function(group) c(max(rows$duration_years[group]), max(rows$duration_years[!group])))
  min(10, ends)
}
years <- function(rows, group, horizon) {
  one <- restricted(rows[group, ], horizon)
  other <- restricted(rows[!group, ], horizon)
  one[1] - other[1] + c(0, -1, 1) * qnorm(0.975) * sqrt(one[2]^2 + other[2]^2)
}
curve <- function(name, rows, group, side) {
  fit <- paste0("summary(survfit(", free, " ~ 1, subset(%2$s, (%3$s) == %4$s), conf.type = 'log-log')")
  name <- paste0(name, ifelse(side, ", non-responders", ", responders"))
  columns <- "c('time', 'n.risk', 'n.event', 'surv', 'lower', 'upper')"
  keep("%1$s, curve", paste0(fit, ")[", columns, "]"), name, rows, group, side)
  columns <- "c('n.risk', 'surv', 'lower', 'upper')"
  keep("%1$s, each year", paste0(fit, ", times = 0:10, extend = TRUE)[", columns, "]"), name, rows, group, side)
}
compared <- function(name, rows, group, horizon) {
  for (side in c(FALSE, TRUE)) curve(name, rows, group, side)
  keep("%1$s, patients", "with(%2$s, c(sum(!(%3$s)), sum(%3$s)))", name, rows, group)
  keep("%1$s, recurrences", "with(%2$s, c(sum(recurrence & !(%3$s)), sum(recurrence & (%3$s))))", name, rows, group)
  cox <- sprintf("coxph(%s ~ I(%%3$s), %%2$s, ties = 'efron')", free)
  keep("%1$s, log-rank", sprintf("survdiff(%s ~ I(%%3$s), %%2$s)$pvalue", free), name, rows, group)
  keep("%1$s, hazard ratio", paste0("summary(", cox, ")$conf.int[c(1, 3, 4)]"), name, rows, group)
  keep("%1$s, proportional", paste0("cox.zph(", cox, ")$table[1, 'p']"), name, rows, group)
  keep("%1$s, years", "years(%2$s, with(%2$s, %3$s), %4$s)", name, rows, group, horizon)
}
test_groups <- c(truth = "lost", setNames(paste0(models, ".1 >= 0.5"), models))
test_members <- lapply(test_groups, function(group) eval(parse(text = group), test))

compared("survival, cohort", "study", "lost", "until(study, list(study$lost))")
for (name in names(test_groups)) {
  compared(paste("survival,", name), "test", test_groups[name], "until(test, test_members)")
}
for (who in c("lost", "responder")) {
  keep("median time, %s", "median(study$duration_years[study$%s])", who)
  keep("restricted mean, %s", "restricted(study[study$%s, ], until(study, list(study$lost)))", who)
}
keep("log-rank by hand", "with(survdiff(%s ~ lost, study), c(obs[2], exp[2], var[2, 2]))", free)
keep("events for a ratio of 2",
     "(qnorm(0.975) + qnorm(0.8))^2 / (mean(test$lost) * (1 - mean(test$lost)) * log(2)^2)")

versions <- paste0("survival ", packageVersion("survival"), ", pROC ", packageVersion("pROC"))
writeLines(paste0("# ", R.version.string, ", ", versions), output <- file(files[2], "w"))
write.csv(figures, output, row.names = FALSE)
close(output)
