package otelsmart

// version is that of all modules of the repository; scripts/set-version.sh writes it.
const version = "0.1.0"
