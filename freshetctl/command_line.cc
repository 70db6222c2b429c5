#include "freshetctl/command_line.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "common/cluster/cluster_config.h"
#include "common/config/nearest.h"
#include "common/process/process.h"
#include "freshetctl/cluster_commands.h"
#include "freshetctl/config_commands.h"
#include "freshetctl/dump.h"
#include "freshetctl/events.h"
#include "freshetctl/export.h"
#include "freshetctl/outcome.h"
#include "freshetctl/replay.h"
#include "freshetctl/report.h"
#include "freshetctl/rollback.h"
#include "freshetctl/row_commands.h"
#include "freshetctl/version_diff.h"
#include "freshetctl/versions.h"
#include "freshetctl/watch.h"

namespace freshet::freshetctl {
namespace {

constexpr char kKeyHelp[] = "17, 0x11, or slot=value as a sample has it";

// "500ms", "60s", "5m", "1h".
StatusOr<int64_t> ParseDuration(const std::string& text) {
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  const std::string unit(error == std::errc() ? stop : end, end);
  for (const auto& [name, milliseconds] :
       {std::pair("ms", 1.0), std::pair("s", 1e3), std::pair("m", 60e3), std::pair("h", 3600e3)}) {
    if (unit == name && number >= 0 && number <= 1e6) {
      return static_cast<int64_t>(number * milliseconds);
    }
  }
  return InvalidArgument("'{}' is no duration: 500ms, 60s, 5m, 1h", text);
}

// The commands and their flags. What flags say is kept here until the command runs.
class CommandLine {
 public:
  explicit CommandLine(const Context& context)
      : context_(context),
        app_("Looks at a Freshet cluster and its versions, and steers it.", "freshetctl") {
    app_.add_option("--config", target_.config, "Cluster file (docs/configuration.md)")
        ->type_name("FILE")
        ->envname("FRESHET_CONFIG");
    app_.add_option("--coordinator", target_.coordinator, "Instead of a cluster file: its address")
        ->type_name("HOST:PORT");
    app_.set_version_flag("--version", std::string("freshetctl ") + BuildVersion());
    app_.require_subcommand(1);
    app_.fallthrough();
    app_.footer(
        "Exit codes: 0 done, 1 failed (stderr says why), 64 wrong usage, 78 wrong config file.\n"
        "'freshetctl COMMAND --help' explains a command.");
    AddClusterCommands();
    AddRowCommands();
    AddWatch();
    AddWait();
    AddVersions();
    AddDump();
    AddExport();
    AddReport();
    AddConfigCommands();
    AddReplay();
  }

  Outcome Run(std::vector<std::string> arguments) {
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    try {
      app_.parse(std::move(arguments));
    } catch (const CLI::Success& success) {  // --help, --version
      app_.exit(success, context_.out, context_.err);
      return {};
    } catch (const CLI::ParseError& error) {
      return WrongUsage(error.what());
    }
    return command_();
  }

 private:
  CLI::App* Add(CLI::App* parent,
                const std::string& name,
                const std::string& description,
                std::function<Outcome()> command) {
    CLI::App* const added = parent->add_subcommand(name, description);
    added->callback([this, command = std::move(command)] { command_ = command; });
    return added;
  }

  // A mistyped command gets the nearest one, anything else what CLI11 says.
  Outcome WrongUsage(const std::string& error) const {
    const std::vector<std::string> rest = app_.remaining();
    std::vector<std::string> commands;
    for (const CLI::App* command : app_.get_subcommands({})) {
      commands.push_back(command->get_name());
    }
    const bool unknown_command = app_.get_subcommands().empty() && !rest.empty();
    return Outcome::Usage((unknown_command ? fmt::format("unknown command '{}': {}",
                                                         rest.front(),
                                                         Suggestion(rest.front(), commands))
                                           : error) +
                          "\nfreshetctl --help lists the commands");
  }

  void AddClusterCommands() {
    CLI::App* status = Add(&app_, "status", "Shows the cluster and its members", [this] {
      return Online([&] { return PrintStatus(context_, target_, json_); });
    });
    status->add_flag("--json", json_, "One line of JSON, for scripts");

    CLI::App* rollback =
        Add(&app_, "rollback", "Makes a version the model of today again, stream and all", [this] {
          rollback_.version = version_;
          const Outcome wrong = CheckRollback(rollback_);
          return wrong.ok() ? Online([&] { return RollBack(context_, target_, rollback_); })
                            : wrong;
        });
    rollback->add_option("VERSION", version_, "See 'freshetctl versions'");
    rollback
        ->add_option("--before",
                     rollback_.before,
                     "Instead of VERSION: the newest that knows nothing of this time or later, "
                     "2026-11-20T10:00Z")
        ->type_name("TIME");
    rollback->add_flag("--keep-positions",
                       rollback_.keep_positions,
                       "Streams go on where they are: nothing since is learned again");
    rollback
        ->add_option("--skip",
                     rollback_.skips,
                     "Samples never to be learned again: FROM..TO (event times), SLOT=VALUE, or "
                     "SLOT=VALUE@FROM..TO; may be repeated")
        ->type_name("RULE");
    rollback->add_flag("--forget-skips", rollback_.forget_skips, "Rules of earlier rollbacks end");

    CLI::App* events = Add(&app_, "events", "Shows what happened, or happens", [this] {
      return Online([&] { return ShowEvents(context_, target_, events_); });
    });
    events->add_option("--after", events_.after, "Only events with a larger id")->type_name("ID");
    events->add_option("--kind", events_.kinds, "Only these (docs/events.md); may be repeated")
        ->type_name("KIND");
    events->add_option("--limit", events_.limit, "At most so many at first (50)")->type_name("N");
    events->add_flag("--follow", events_.follow, "Goes on with what happens");
    events->add_flag("--json", events_.json, "An object a line, for scripts");

    Add(&app_, "cut", "Has a version made now", [this] {
      return Online([&] { return CutNow(context_, target_); });
    });
  }

  void AddRowCommands() {
    CLI::App* explain = Add(&app_, "explain", "Tells what the cluster knows of a key", [this] {
      return Online([&] { return Explain(context_, target_, explain_); });
    });
    explain->add_option("VARIABLE", explain_.variable, "Its name in the model")->required();
    explain->add_option("KEY", explain_.key, kKeyHelp)->required();
    explain
        ->add_option("--slot", explain_.slot, "The slot of a KEY that is a number, for its rules")
        ->type_name("NAME");

    CLI::App* shrink = Add(
        &app_, "shrink", "Takes away all rows that a rule evicts now, in a new version", [this] {
          return Online([&] { return Shrink(context_, target_, shrink_); });
        });
    shrink->add_option("VARIABLE", shrink_.variable, "Default: all of them");
    shrink->add_flag("--dry-run", shrink_.dry_run, "Only counts them");

    CLI::App* forget =
        Add(&app_, "forget", "Takes away all that is known of keys, in a new version", [this] {
          return Online([&] { return Forget(context_, target_, forget_); });
        });
    forget->add_option("VARIABLE", forget_.variable, "Its name in the model")->required();
    forget->add_option("KEY", forget_.keys, kKeyHelp);
    forget->add_option("--keys", forget_.keys_file, "Keys, one a line; -: stdin")
        ->type_name("FILE");
  }

  void AddWatch() {
    CLI::App* watch =
        Add(&app_, "watch", "Shows the cluster live", [this] { return RunWatch(false); });
    watch
        ->add_option(
            "--until", until_, "Ends when this is so: training, finished, version=N, served=N")
        ->type_name("STATE");
    watch->add_option("--timeout", timeout_, "Fails when that is not so in time: 500ms, 60s, 5m")
        ->type_name("DURATION");
  }

  void AddWait() {
    CLI::App* wait = Add(&app_, "wait", "Waits for a state without showing anything", [this] {
      return RunWatch(true);
    });
    wait->add_option("STATE", until_, "training, finished, version=N, served=N")->required();
    wait->add_option("CONFIG", target_.config, "Cluster file, as --config")->type_name("FILE");
    wait->add_option("--timeout", timeout_, "Fails when that is not so in time: 500ms, 60s, 5m")
        ->type_name("DURATION");
  }

  void AddVersions() {
    CLI::App* versions = Add(&app_, "versions", "Shows the versions of the log", [this] {
      return Offline([&](const std::string& log) {
        return ListVersions(context_, log, {.last = last_, .json = json_});
      });
    });
    AddLogDirectory(versions);
    CLI::App* list = versions->add_subcommand("list", "All of them, the newest marked (default)");
    for (CLI::App* app : {versions, list}) {
      app->add_flag("--json", json_, "JSON, for scripts");
      app->add_option("--last", last_, "Only so many of the newest")->type_name("N");
    }
    CLI::App* show =
        versions->add_subcommand("show", "One of them, with stream positions and parts");
    CLI::App* verify =
        versions->add_subcommand("verify", "Reads all that it needs and checks every checksum");
    show->add_flag("--json", json_, "JSON, for scripts");
    for (CLI::App* app : {show, verify}) {
      app->add_option("VERSION", version_, "Default: the newest");
    }
    verify->add_flag("--all", all_, "Each version of the log");
    CLI::App* diff = versions->add_subcommand("diff", "Which rows two of them have differently");
    diff->add_option("BEFORE", diff_.before)->required();
    diff->add_option("AFTER", diff_.after)->required();
    diff->add_option("--variable", diff_.variable, "Only this one")->type_name("NAME");
    diff->add_option("--top", diff_.top, "Rows shown, those that moved most (10)")->type_name("N");
    CLI::App* pin = versions->add_subcommand("pin", "Keeps one for good, with all it needs");
    pin->add_option("VERSION", version_)->required();
    pin->add_option("--note", note_, "Why, for people")->type_name("TEXT");
    CLI::App* unpin = versions->add_subcommand("unpin", "Lets a pinned one go again");
    unpin->add_option("VERSION", version_)->required();
    CLI::App* gc = versions->add_subcommand(
        "gc", "Has the coordinator remove, now, those that the rules of retention let go");
    gc->add_flag("--dry-run", dry_run_, "Only lists them");
    // CLI11 calls back children first, so the parent's callback must not overrule them.
    versions->callback([this, show, verify, diff, pin, unpin, gc] {
      command_ = [this, show, verify, diff, pin, unpin, gc] {
        if (gc->parsed()) {
          return Online([&] { return CollectVersions(context_, target_, dry_run_); });
        }
        return Offline([&](const std::string& log) {
          if (diff->parsed()) {
            return DiffVersions(context_, log, diff_);
          }
          if (pin->parsed()) {
            return PinVersion(context_, log, *version_, note_);
          }
          if (unpin->parsed()) {
            return UnpinVersion(context_, log, *version_);
          }
          if (verify->parsed() && all_) {
            return VerifyAllVersions(context_, log);
          }
          if (show->parsed()) {
            return ShowVersion(context_, log, version_, json_);
          }
          if (verify->parsed()) {
            return VerifyVersion(context_, log, version_);
          }
          return ListVersions(context_, log, {.last = last_, .json = json_});
        });
      };
    });
  }

  void AddDump() {
    CLI::App* dump =
        Add(&app_, "dump", "Writes a version's rows as text, to compare models", [this] {
          return Offline([&](const std::string& log) { return Dump(context_, log, DumpFlags()); });
        });
    AddLogDirectory(dump);
    dump->add_option("VERSION", version_, "Default: the newest");
    dump->add_option("--variable", variable_, "Only this one")->type_name("NAME");
    dump->add_option("--output", output_, "Default: stdout")->type_name("FILE");
  }

  void AddExport() {
    CLI::App* export_app =
        Add(&app_, "export", "Writes a variable's rows for other programs", [this] {
          const StatusOr<ExportFormat> format = ParseExportFormat(format_);
          if (!format.ok()) {
            return Outcome::Usage(MessageOf(format.status()));
          }
          export_.format = *format;
          export_.version = version_;
          return Offline([&](const std::string& log) { return Export(context_, log, export_); });
        });
    AddLogDirectory(export_app);
    export_app->add_option("VARIABLE", export_.variable, "Its name in the model")->required();
    export_app->add_option("--output", export_.output, "File; of npy, a new folder")
        ->required()
        ->type_name("FILE");
    export_app->add_option("--format", format_, "csv (default), npy, text (as word2vec)")
        ->type_name("FORMAT");
    export_app->add_option("--version", version_, "Default: the newest")->type_name("VERSION");
    export_app->add_flag("--state", export_.state, "Optimizer state too");
    export_app->add_flag("--metadata", export_.metadata, "Frequency, last update and so on too");
  }

  DumpOptions DumpFlags() const {
    return {.version = version_, .variable = variable_, .output = output_};
  }

  void AddReport() {
    CLI::App* report =
        Add(&app_, "report", "Writes what the versions measured, as CSV and charts", [this] {
          return Offline(
              [&](const std::string& log) { return ReportOfLog(context_, log, output_); });
        });
    AddLogDirectory(report);
    report->add_option("--output", output_, "Folder to write to")->required()->type_name("DIR");
  }

  void AddConfigCommands() {
    CLI::App* config = app_.add_subcommand("config", "Checks config files");
    config->require_subcommand(1);
    CLI::App* check = Add(config, "check", "Says OK, or all that is wrong with a file", [this] {
      return CheckConfig(context_, file_);
    });
    check->add_option("FILE", file_, "Cluster file or worker config")->required();

    CLI::App* plan =
        Add(&app_, "plan", "Lists the processes of a cluster file, for scripts", [this] {
          return PrintPlan(context_, file_, key_);
        });
    plan->add_option("FILE", file_, "Cluster file")->required();
    plan->add_option("--key", key_, "Prints a single value: name, run_dir, log_dir, job, state_dir")
        ->type_name("KEY");
  }

  void AddReplay() {
    CLI::App* replay =
        Add(&app_, "replay", "Plays a file as a stream of samples that come in now", [this] {
          return Replay(context_, replay_);
        });
    replay->add_option("FILE", replay_.file, "Lines to play")->required();
    replay
        ->add_option("--to", replay_.directory, "Writes DIR/part-<i>.csv, at the end DIR/_SUCCESS")
        ->required()
        ->type_name("DIR");
    replay->add_option("--partitions", replay_.partitions, "Files to write, in turn")
        ->check(CLI::Range(1U, 4096U))
        ->type_name("N");
    replay
        ->add_option("--rate", replay_.lines_per_second, "Lines per second; 0: as fast as possible")
        ->required()
        ->check(CLI::Range(0.0, 1e9))
        ->type_name("N");
    replay->add_flag("--header", replay_.header, "FILE begins with a header: each part gets it");
    replay->add_option("--limit", replay_.limit, "Only so many lines; 0: all")->type_name("N");
  }

  void AddLogDirectory(CLI::App* app) {
    app->add_option("--log-dir", target_.log_dir, "Instead of a cluster file: the version log")
        ->type_name("DIR");
    app->fallthrough();
  }

  Outcome RunWatch(bool quiet) {
    WatchOptions options{.until = {}, .timeout_ms = {}, .quiet = quiet};
    if (!until_.empty()) {
      const StatusOr<Goal> goal = Goal::Parse(until_);
      if (!goal.ok()) {
        return Outcome::Usage(MessageOf(goal.status()));
      }
      options.until = *goal;
    }
    if (!timeout_.empty()) {
      const StatusOr<int64_t> timeout = ParseDuration(timeout_);
      if (!timeout.ok()) {
        return Outcome::Usage(MessageOf(timeout.status()));
      }
      options.timeout_ms = *timeout;
    }
    return Online([&] { return Watch(context_, target_, options); });
  }

  // Runs a command that needs a coordinator, if the flags tell of one.
  Outcome Online(const std::function<Outcome()>& command) {
    if (!target_.coordinator.empty()) {
      return command();
    }
    if (target_.config.empty()) {
      return Outcome::Usage("which cluster? Give --config FILE or --coordinator HOST:PORT");
    }
    const auto config = LoadClusterConfig(context_.env.files, target_.config);
    return config.ok() ? command() : Outcome::Config(config.status());
  }

  // Runs a command on the log directory, if the flags tell of one.
  Outcome Offline(const std::function<Outcome(const std::string& log)>& command) {
    if (!target_.log_dir.empty()) {
      return command(target_.log_dir);
    }
    if (target_.config.empty()) {
      return Outcome::Usage("which version log? Give --config FILE or --log-dir DIR");
    }
    const auto config = LoadClusterConfig(context_.env.files, target_.config);
    return config.ok() ? command(config->log_dir) : Outcome::Config(config.status());
  }

  const Context& context_;
  CLI::App app_;
  std::function<Outcome()> command_;

  // Flags and arguments; commands that mean the same share one.
  Target target_;
  bool json_ = false;
  std::optional<uint64_t> version_;
  std::string variable_;
  RollbackOptions rollback_;
  EventsOptions events_;
  DiffOptions diff_;
  std::string note_;
  bool all_ = false;
  bool dry_run_ = false;
  ExplainOptions explain_;
  ShrinkOptions shrink_;
  ForgetOptions forget_;
  ExportOptions export_;
  std::string format_ = "csv";
  std::string until_;
  std::string timeout_;
  uint64_t last_ = 0;
  std::string output_;
  std::string file_;
  std::string key_;
  ReplayOptions replay_;
};

}  // namespace

int Run(const std::vector<std::string>& arguments, const Context& context) {
  const Outcome outcome = CommandLine(context).Run(arguments);
  if (!outcome.ok()) {
    context.err << "freshetctl: " << outcome.message() << "\n";
  }
  context.out.flush();
  return outcome.exit_code();
}

}  // namespace freshet::freshetctl
