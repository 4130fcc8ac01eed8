"""The way of sound: from recordings and microphones, through the engines, into WAV files and loudspeakers."""
